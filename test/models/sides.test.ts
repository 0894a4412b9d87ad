/** Models cut between their two sides: the same bits as the whole model, and which models have no such cut. */
import assert from 'node:assert/strict';
import type { ModelConfig } from '../../src/config/models.js';
import { verifyPlan } from '../../src/graph/index.js';
import type { ModelProgram, ModelTask } from '../../src/models/model.js';
import { predictionProgram, sidePrograms } from '../../src/models/registry.js';
import { AD_VECTORS } from '../../src/models/sides.js';
import { loadAddon } from '../../src/runtime/load.js';
import type { ArrayBatch, NativeProgram } from '../../src/runtime/native.js';
import { modelWeights, storeWith } from '../graph/native-support.js';
import { randomBatch, toArrayBatch, uniform } from '../graph/random.js';
import { present } from '../graph/reference.js';
import {
  AITM,
  COLD,
  CONVERSIONS,
  DLRM,
  ECM,
  ECMM,
  ESMM,
  FEATURES,
  FSCD,
  MLP,
  MMOE,
  PLE,
  SHARED_BOTTOM,
  TAML,
  TASKS,
  TWO_TOWER,
  VECTOR_PRODUCT,
  WHOLE_CHAIN,
} from './fixtures.js';

const ONE_TASK = TASKS.slice(0, 1);

const CUT: readonly (readonly [string, ModelConfig, readonly ModelTask[]])[] = [
  ...(['concat', 'dot', 'hadamard+dot', 'concat+hadamard'] as const).map(
    (merge) => [`two-tower ${merge}`, { ...TWO_TOWER, merge }, TASKS] as const,
  ),
  ['two-tower dot of one task', { ...TWO_TOWER, merge: 'dot' }, ONE_TASK],
  ['two-tower with dropout', { ...TWO_TOWER, tower: { hidden: [9], out: 5, dropout: 0.2 } }, TASKS],
  [
    'two-tower of some fields',
    { ...TWO_TOWER, fields: ['age', 'country', 'price', 'ad_id'] },
    [present(TASKS[0]), { ...present(TASKS[2]), logitsOf: 'ctr' }],
  ],
  ['vector-product', VECTOR_PRODUCT, ONE_TASK],
];

const WHOLE: readonly (readonly [ModelConfig, readonly ModelTask[]])[] = [
  [DLRM, TASKS],
  [COLD, TASKS],
  [MLP, CONVERSIONS.separate],
  [SHARED_BOTTOM, CONVERSIONS['ctr+cvr(product)']],
  [MMOE, CONVERSIONS['ctr+cvr(product)']],
  [PLE, CONVERSIONS['ctr+cvr(product)']],
  [ESMM, CONVERSIONS['ctr+cvr(product)']],
  [AITM, CONVERSIONS['ctr+cvr(product)']],
  [TAML, CONVERSIONS.separate],
  [FSCD, TASKS],
  [ECM, WHOLE_CHAIN],
  [ECMM, WHOLE_CHAIN],
];

/** The inputs that a program shares with the whole model, by name. */
function inputsOf(program: ModelProgram, whole: ModelProgram, batch: ArrayBatch) {
  const place = (list: 'denseInputs' | 'idInputs', name: string): number =>
    whole.plan[list].findIndex((input) => input.name === name);
  return {
    dense: program.plan.denseInputs.map(({ name }) => batch.dense?.[place('denseInputs', name)] ?? new Float32Array()),
    ids: program.plan.idInputs.map(({ name }) => present(batch.ids?.[place('idInputs', name)])),
  };
}

describe('models cut between their sides', () => {
  const addon = loadAddon();

  for (const [name, config, tasks] of CUT) {
    it(`${name}: the whole model's scores, bit by bit`, async () => {
      const whole = predictionProgram(config, FEATURES, tasks, { requestDomain: true });
      const sides = sidePrograms(config, FEATURES, tasks);
      assert.ok(sides);
      const { ads, scoring, width } = sides;
      for (const { plan } of [ads, scoring]) assert.deepEqual(verifyPlan(plan), []);
      assert.deepEqual(
        scoring.plan.outputs.map((output) => output.name),
        whole.plan.outputs.map((output) => output.name),
      );
      assert.ok(ads.plan.denseInputs.every((input) => input.domain === 'row'));
      const random = uniform(7);
      const store = storeWith(addon, whole.parameters, modelWeights(whole.parameters, random));
      const program = ({ plan }: ModelProgram, capacity: number): NativeProgram =>
        new addon.Program(plan, store, { threads: 2, capacity, requestCapacity: capacity, seed: 1 });
      for (const rows of [1, 3, 256, 301]) {
        const batch = toArrayBatch(randomBatch(whole.plan, random, { rows }));
        const expected = await program(whole, rows).predict(batch);
        const [vectors] = await program(ads, rows).predict({ rows, ...inputsOf(ads, whole, batch) });
        assert.equal(vectors?.length, rows * width);
        // Vectors lie in the opposite order, behind one of another ad.
        const values = new Float32Array((rows + 1) * width).fill(Number.NaN);
        for (let row = 0; row < rows; row += 1) {
          values.set(vectors.subarray(row * width, (row + 1) * width), (rows - row) * width);
        }
        const chosen = { values, rows: Uint32Array.from({ length: rows }, (_, row) => rows - row) };
        const { dense, ids } = inputsOf(scoring, whole, batch);
        const actual = await program(scoring, rows).predict({
          rows,
          requestOfRow: batch.requestOfRow,
          ids,
          dense: dense.map((matrix, i) => (scoring.plan.denseInputs[i]?.name === AD_VECTORS ? chosen : matrix)),
        });
        assert.deepEqual(actual, expected, `${rows} rows`);
        if (rows > 1) assert.ok(new Set(expected[0]).size > rows / 2);
      }
    });
  }

  for (const [config, tasks] of WHOLE) {
    it(`${config.kind}: has no vectors of ads`, () => {
      assert.equal(sidePrograms(config, FEATURES, tasks), null);
    });
  }

  it('read only the parameters of their side', () => {
    const sides = sidePrograms(TWO_TOWER, FEATURES, TASKS);
    assert.ok(sides);
    const names = (side: 'ads' | 'scoring') => sides[side].parameters.map(({ name }) => name);
    assert.ok(names('ads').every((name) => /^(ad_tower|embeddings)\./.test(name)));
    assert.ok(names('scoring').every((name) => /^(user_tower|heads|embeddings\.(country|ad_id)$)/.test(name)));
    assert.ok(names('scoring').includes('heads.ctr.0.weight'));
  });
});
