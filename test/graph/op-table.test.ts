/** Every operation of the table: shapes, forward and gradients, in float64 and natively. */
import assert from 'node:assert/strict';
import { OPERATIONS, type Value, verifyPlan } from '../../src/graph/index.js';
import { assertClose, type BuiltCase, buildCase, tableGradients } from './build.js';
import { CASES } from './cases.js';
import { randomBatch, randomParameters, uniform } from './random.js';
import { present, type ReferenceBatch, runReference } from './reference.js';

const RUN = { seed: 5, step: 3 };
const STEP = 1e-5;

/** The array that holds a leaf, to shift one of its elements. */
function storageOf(
  built: BuiltCase,
  leaf: Value,
  parameters: ReadonlyMap<string, Float64Array>,
  batch: ReferenceBatch,
): Float64Array | undefined {
  if (leaf.source.kind === 'parameter') return parameters.get(leaf.name);
  const input = built.plan.denseInputs.findIndex(({ name }) => name === leaf.name);
  return batch.dense[input];
}

/** Central differences of the total loss for every element of `values`. */
function differences(values: Float64Array, loss: () => number): Float64Array {
  return values.map((value, index) => {
    values[index] = value + STEP;
    const above = loss();
    values[index] = value - STEP;
    const below = loss();
    values[index] = value;
    return (above - below) / (2 * STEP);
  });
}

describe('operation table', () => {
  it('has a case for every operation', () => {
    const covered = new Set(CASES.flatMap(({ kinds }) => kinds));
    const kinds = OPERATIONS.map(({ kind }) => kind);
    assert.deepEqual(
      kinds.filter((kind) => !covered.has(kind)),
      [],
    );
    assert.deepEqual(
      [...covered].filter((kind) => !kinds.includes(kind)),
      [],
    );
    assert.equal(new Set(kinds).size, kinds.length);
  });

  for (const item of CASES) {
    describe(item.name, () => {
      it('has the shape, runs the operations it is about and has a sound memory plan', () => {
        const built = buildCase(item, 4);
        assert.deepEqual(built.result.shape, item.shape);
        const kinds = new Set(built.plan.segments.flatMap(({ ops }) => ops.map(({ kind }) => kind)));
        assert.deepEqual(
          item.kinds.filter((kind) => !kinds.has(kind)),
          [],
        );
        assert.deepEqual(verifyPlan(built.plan), []);
      });

      for (const rows of [1, 7]) {
        it(`has the gradient of central differences, ${rows} rows`, () => {
          const built = buildCase(item, 4);
          const random = uniform(rows * 1000 + item.name.length);
          const parameters = randomParameters(built.parameters, random, item.positive);
          const batch = randomBatch(built.plan, random, { rows, positive: item.positive });
          const result = runReference(built.plan, parameters, batch, RUN);
          const loss = (): number => runReference(built.plan, parameters, batch, RUN).loss;
          let compared = 0;
          for (const leaf of built.wrt) {
            const values = storageOf(built, leaf, parameters, batch);
            if (values === undefined) continue;
            const output = built.plan.outputs.findIndex(({ name }) => name === `gradient.${leaf.name}`);
            const gradient = present(result.outputs[output]);
            differences(values, loss).forEach((expected, index) => {
              assertClose(present(gradient[index]), expected, 1e-6, `${leaf.name}[${index}]`);
            });
            compared += values.length;
          }
          for (const [name, gradient] of tableGradients(built.plan, batch, result.pooled)) {
            differences(present(parameters.get(name)), loss).forEach((expected, index) => {
              assertClose(present(gradient[index]), expected, 1e-6, `${name}[${index}]`);
            });
            compared += gradient.length;
          }
          assert.ok(compared > 0, 'no gradient was compared');
        });
      }
    });
  }
});
