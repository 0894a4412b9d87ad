/** What a sample by stage has of the rows of each task. */
import assert from 'node:assert/strict';
import { loadConfig } from '../../src/config/load.js';
import type { ConfigInput } from '../../src/config/schema.js';
import { STAGES } from '../../src/config/types.js';
import type { Dataset } from '../../src/data/dataset.js';
import { taskSamples } from '../../src/train/task-samples.js';

const RATES = { retrieved: 0.001, early: 0.01, final: 1, auction: 1, impression: 0.4, click: 1, conversion: 1 };

/** Rows of each stage, in the order of STAGES. */
const ROWS = [162, 318, 0, 0, 440, 25, 5];

function samplesOf(
  tasks: ConfigInput['tasks'],
  { weight = 'logit', rows = ROWS }: { weight?: string; rows?: readonly number[] } = {},
): ReturnType<typeof taskSamples> {
  const roles = ['request', 'ad', 'impression', 'click', 'conversion', 'stage', 'cqs'] as const;
  const config = loadConfig({
    data: {
      train: 'log.parquet',
      columns: Object.fromEntries(roles.map((role) => [role, role])),
      features: [{ name: 'f', kind: 'categorical' }],
    },
    model: { kind: 'mmoe' },
    tasks,
  });
  const stages = rows.flatMap((count, stage) => new Array<number>(count).fill(stage));
  const set = {
    description: { config: { sampling: { stages: RATES, weight } } },
    column: () => Uint8Array.from(stages),
  } as unknown as Dataset;
  return taskSamples(config, set);
}

describe('samples of tasks', () => {
  it('counts the rows kept and those they stand for', () => {
    assert.equal(STAGES.length, ROWS.length);
    const chain = samplesOf({ etr: {}, ctr: {}, etctr: {}, itr: {}, dropped: {} });
    // The paper's classes, in millions: 30 clicked, 1,100 exposed, 31,800 and 162,000 not exposed.
    const others = { kept: 480, raw: 162_000 + 31_800 };
    const shown = { kept: 470, raw: 30 + 1100 };
    const clicked = { kept: 30, raw: 30 };
    assert.deepEqual(chain.get('etr'), { positives: shown, negatives: others });
    assert.deepEqual(chain.get('itr'), { positives: others, negatives: shown });
    assert.deepEqual(chain.get('ctr'), { positives: clicked, negatives: { kept: 440, raw: 1100 } });
    assert.deepEqual(chain.get('etctr'), { positives: clicked, negatives: { kept: 920, raw: 194_900 } });
    assert.deepEqual(chain.get('dropped'), {
      positives: { kept: 162, raw: 162_000 },
      negatives: { kept: 788, raw: 32_930 },
    });
    const conversions = samplesOf({ ctr: { augmented: 'none' }, cvr: {}, ctcvr: {} });
    assert.deepEqual(conversions.get('cvr'), { positives: { kept: 5, raw: 5 }, negatives: { kept: 25, raw: 25 } });
    assert.deepEqual(conversions.get('ctcvr')?.negatives, { kept: 465, raw: 1125 });
  });

  it('is silent about a sample that logits do not undo, and refuses what it cannot tell', () => {
    assert.equal(samplesOf({ etr: {} }, { weight: 'none' }).size, 0);
    const refuses = (tasks: ConfigInput['tasks'], message: RegExp, rows?: readonly number[]): void => {
      assert.throws(() => samplesOf(tasks, { rows }), { code: 'CONFIG_INVALID', message });
    };
    refuses({ cqs: {} }, /task cqs learns labels that stages do not tell; use inverse/);
    refuses({ ctr: {} }, /task ctr learns labels/);
    refuses({ etctr: {} }, /task etctr has no rows of one of its two kinds/, [10, 10, 0, 0, 10, 0, 0]);
  });
});
