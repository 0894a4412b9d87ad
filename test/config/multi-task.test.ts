/** Tasks of clicks and conversions by model, and PWiseR's settings. */
import assert from 'node:assert/strict';
import { loadConfig } from '../../src/config/load.js';
import type { ConfigInput } from '../../src/config/schema.js';
import type { ResolvedConfig } from '../../src/config/types.js';
import { PWISER } from '../support/pwiser.js';

function resolved(rest: Omit<ConfigInput, 'data'>, columns: Record<string, string> = {}): ResolvedConfig {
  return loadConfig({
    data: {
      train: 'log.parquet',
      columns: { click: 'c', conversion: 'b', ...columns },
      features: { user: [{ name: 'u', kind: 'categorical' }], ad: [{ name: 'a', kind: 'categorical' }] },
    },
    ...rest,
  });
}

const weights = ({ tasks }: ResolvedConfig) =>
  Object.fromEntries(Object.entries(tasks).map(([name, { weight }]) => [name, weight]));

function refuses(rest: Omit<ConfigInput, 'data'>, message: RegExp): void {
  assert.throws(() => resolved(rest), { code: 'CONFIG_INVALID', message });
}

describe('config of multi-task models', () => {
  it('gives the three tasks the weights of the task mode', () => {
    const product = { ctr: 1, cvr: 0, ctcvr: 1 };
    for (const kind of ['shared-bottom', 'mmoe', 'ple', 'esmm', 'taml']) {
      assert.deepEqual(weights(resolved({ model: { kind } })), product, kind);
    }
    assert.deepEqual(weights(resolved({ model: { kind: 'mlp' } })), { ctr: 1, cvr: 1, ctcvr: 0 });
    assert.deepEqual(weights(resolved({ model: { kind: 'aitm' } })), product);
    assert.deepEqual(weights(resolved({ model: { kind: 'mmoe', taskMode: 'ctr+ctcvr' } })), product);
    const own = { ctr: {}, cvr: { weight: 0.5 }, ctcvr: {} };
    assert.deepEqual(weights(resolved({ model: { kind: 'esmm' }, tasks: own })), { ctr: 1, cvr: 0.5, ctcvr: 1 });
    assert.deepEqual(weights(resolved({ model: { kind: 'mmoe' }, tasks: { ctr: {}, cvr: {} } })), { ctr: 1, cvr: 1 });
  });

  it("takes the framework's heads on multi-task trunks", () => {
    const tasks = { ctr: {}, cqs: {}, teacher: {} };
    const config = resolved({ model: { kind: 'mmoe' }, tasks }, { cqs: 'q', finalCtr: 'p' });
    assert.deepEqual(weights(config), { ctr: 1, cqs: 1.5, teacher: 2 });
    assert.deepEqual(Object.keys(resolved({ model: { kind: 'vector-product' } }).tasks), ['ctr']);
  });

  it('refuses tasks that the log or the model does not have', () => {
    refuses({ model: { kind: 'esmm' }, tasks: { ctr: {}, cvrr: {} } }, /tasks\.cvrr: give label.*Did you mean "cvr"/);
    refuses({ tasks: { ctcvr: { loss: 'mse' } } }, /tasks\.ctcvr\.loss: task ctcvr has loss bce/);
    refuses({ model: { kind: 'aitm' }, tasks: { ctr: {}, cvr: { weight: 1 }, ctcvr: {} } }, /cvr as pCTCVR \/ pCTR/);
    refuses({ model: { kind: 'mmoe', expert: {} } }, /model: unknown key "expert".*Did you mean "experts"/);
    refuses({ model: { kind: 'taml', experts: { general: 0, task: 0, learner: 0 } } }, /a learner needs an expert/);
    const message = /tasks\.cvr: task cvr needs data\.columns\.conversion/;
    assert.throws(() => resolved({ tasks: { cvr: {} } }, { conversion: '' }), /conversion/);
    const columns = { click: 'c' };
    const features = [{ name: 'a', kind: 'categorical' }] as const;
    const data = { train: 'x.csv', columns, features: [...features] };
    assert.throws(() => loadConfig({ data, model: { kind: 'mmoe' }, tasks: { cvr: {} } }), { message });
  });

  it('gives the chain from candidates to clicks its tasks and weights', () => {
    const columns = { impression: 's' };
    const chain = { etr: {}, ctr: {}, etctr: {} };
    for (const model of [{ kind: 'ecm' }, { kind: 'cold', head: 'softmax' }] as const) {
      const config = resolved({ model }, columns);
      assert.deepEqual(weights(config), { etr: 0, ctr: 0, etctr: 0 });
      assert.equal(config.tasks.ctr?.augmented, 'none');
    }
    assert.deepEqual(weights(resolved({ model: { kind: 'cold' } }, columns)), { ctr: 1 });
    assert.deepEqual(weights(resolved({ model: { kind: 'esmm' }, tasks: chain }, columns)), {
      etr: 1,
      ctr: 0,
      etctr: 1,
    });
    const message = (tasks: ConfigInput['tasks'], kind: 'ecm' | 'aitm', expected: RegExp): void => {
      assert.throws(() => resolved({ model: { kind }, tasks }, columns), { code: 'CONFIG_INVALID', message: expected });
    };
    message({ ...chain, etr: { weight: 1 } }, 'ecm', /tasks\.etr\.weight: .*one softmax: leave the weight out/);
    message({ ...chain, ctr: { weight: 1 } }, 'aitm', /ctr as pETCTR \/ pETR, which has no loss/);
    message({ ...chain, ctcvr: {} }, 'ecm', /tasks\.ctcvr: conversions and the chain/);
    refuses({ model: { kind: 'esmm' }, tasks: chain }, /tasks\.etr: task etr needs data\.columns\.impression/);
  });

  it('has the released form of ecmm and cold', () => {
    const columns = { impression: 's', stage: 't' };
    const model = (kind: 'ecmm' | 'cold', rest: object = {}): ConfigInput['model'] => ({
      kind,
      releaseCompat: true,
      ...rest,
    });
    const config = resolved({ model: model('ecmm', { routing: { l0: 0 } }) }, columns);
    assert.deepEqual(Object.keys(config.tasks), ['etctr', 'etr']);
    assert.ok(config.model.kind === 'ecmm');
    const { inputGate, subnets, routing } = config.model;
    assert.deepEqual([inputGate, subnets.counts, routing.gates, routing.l0], [false, [8, 8], false, 0]);
    const again = resolved({ model: config.model as ConfigInput['model'] }, columns);
    assert.deepEqual(again.model, config.model);
    const message = (rest: Omit<ConfigInput, 'data'>, expected: RegExp): void => {
      assert.throws(() => resolved(rest, columns), { code: 'CONFIG_INVALID', message: expected });
    };
    message({ model: model('ecmm', { inputGate: true }) }, /releaseCompat: means inputGate false, .*leave these out/);
    message({ model: model('ecmm', { subnets: { counts: [8, 4] } }) }, /subnets\.counts \[8, 8\]/);
    message({ model: model('ecmm'), tasks: { etctr: {}, etr: {}, itr: {} } }, /means two towers/);
    message({ model: model('cold') }, /releaseCompat: is what follows a selection/);
    assert.deepEqual(Object.keys(resolved({ model: { kind: 'ecmm' } }, columns).tasks), ['etctr', 'etr', 'itr']);
    const four = resolved({ model: { kind: 'ecmm' }, tasks: { etctr: {}, etr: {}, itr: {}, dropped: {} } }, columns);
    assert.deepEqual(weights(four), { etctr: 1, etr: 1, itr: 1, dropped: 1 });
    refuses({ model: { kind: 'ecmm' }, tasks: { dropped: {} } }, /task dropped needs data\.columns\.stage/);
  });

  it('completes PWiseR only by its surrogate, and checks its margins', () => {
    const config = resolved({ model: { kind: 'esmm' }, training: { pwiser: PWISER } });
    assert.deepEqual(config.training.pwiser, { ...PWISER, surrogate: 'hinge' });
    assert.equal('pwiser' in resolved({ model: { kind: 'esmm' } }).training, false);
    const { head: _head, ...headless } = PWISER;
    refuses({ training: { pwiser: headless } } as unknown as ConfigInput, /training\.pwiser\.head/);
    refuses({ training: { pwiser: { ...PWISER, clickMargin: 2 } } }, /impressionMargin: must not be below clickMargin/);
    refuses({ training: { pwiser: PWISER, balancing: { kind: 'pcgrad' } } }, /training\.pwiser: is no task/);
  });
});
