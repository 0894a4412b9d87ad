/** What tests hold of every architecture. */
import assert from 'node:assert/strict';
import type { ModelConfig } from '../../src/config/models.js';
import type { ModelTask } from '../../src/models/model.js';
import { predictionProgram } from '../../src/models/registry.js';
import type { Plan } from '../../src/runtime/plan.js';
import { randomBatch, randomParameters, uniform } from '../graph/random.js';
import { present, type ReferenceBatch, runReference } from '../graph/reference.js';
import { FEATURES } from './fixtures.js';

const RUN = { seed: 1, step: 0 };

/** Compares a few elements of every dense parameter's gradient, read from the plan's accumulators. */
export function checkDenseGradients(plan: Plan, specs: Parameters<typeof randomParameters>[0], rows: number): void {
  const random = uniform(11);
  const weights = randomParameters(specs, random);
  const batch = randomBatch(plan, random, { rows });
  const withGradients = {
    ...plan,
    outputs: plan.parameters.map(({ name, grad }) => ({ name, value: grad })),
  };
  const { outputs } = runReference(withGradients, weights, batch, RUN);
  plan.parameters.forEach(({ name }, index) => {
    const values = present(weights.get(name));
    for (const element of new Set([0, values.length - 1, Math.floor(values.length / 2)])) {
      const value = present(values[element]);
      const loss = (shift: number): number => {
        values[element] = value + shift;
        return runReference(plan, weights, batch, RUN).loss;
      };
      const expected = (loss(1e-5) - loss(-1e-5)) / 2e-5;
      values[element] = value;
      const actual = present(outputs[index]?.[element]);
      assert.ok(
        Math.abs(actual - expected) <= 1e-6 * Math.max(1, Math.abs(expected)),
        `${name}[${element}]: ${actual} but expected ${expected}`,
      );
    }
  });
}

/** The predictions of the two prediction programs: the user side by row and by request. */
export function comparePredictions(config: ModelConfig, tasks: readonly ModelTask[]): void {
  const byRequest = predictionProgram(config, FEATURES, tasks, { requestDomain: true });
  const byRow = predictionProgram(config, FEATURES, tasks);
  const random = uniform(7);
  const weights = randomParameters(byRow.parameters, random);
  const batch = randomBatch(byRequest.plan, random, { rows: 13 });
  const expected = runReference(byRequest.plan, weights, batch, RUN).outputs;
  const actual = runReference(byRow.plan, weights, perRow(byRequest, byRow, batch), RUN).outputs;
  assert.deepEqual(byRequest.plan.outputs.map(({ name }) => name).sort(), tasks.map(({ name }) => name).sort());
  expected.forEach((values, output) => {
    values.forEach((value, row) => {
      assert.ok(Math.abs(value - present(actual[output]?.[row])) < 1e-12, `output ${output}, row ${row}`);
    });
  });
}

/** The same batch with the request inputs repeated for every row. */
function perRow(
  from: ReturnType<typeof predictionProgram>,
  to: ReturnType<typeof predictionProgram>,
  batch: ReferenceBatch,
): ReferenceBatch {
  const requestOf = present(batch.requestOfRow);
  const columns = new Map<string, (row: number) => number>();
  from.dense.forEach(({ domain, columns: names }, input) => {
    names.forEach((name, index) => {
      columns.set(name, (row) => {
        const r = domain === 'request' ? present(requestOf[row]) : row;
        return present(batch.dense[input]?.[r * names.length + index]);
      });
    });
  });
  const denseInputs = to.dense.map(({ columns: names }) =>
    Float64Array.from({ length: batch.rows * names.length }, (_, index) =>
      present(columns.get(present(names[index % names.length])))(Math.floor(index / names.length)),
    ),
  );
  const ids = to.plan.idInputs.map(({ name }) => {
    const input = from.plan.idInputs.findIndex((source) => source.name === name);
    const source = present(from.ids[input]);
    const bags = present(batch.ids?.[input]);
    if (source.domain === 'row') return bags;
    const entries = Array.from({ length: batch.rows }, (_, row) => {
      const r = present(requestOf[row]);
      const [first, last] = bags.offsets === undefined ? [r, r + 1] : [bags.offsets[r], bags.offsets[r + 1]];
      return [...bags.ids.slice(first, last)];
    });
    const offsets = new Uint32Array(batch.rows + 1);
    entries.forEach((bag, row) => {
      offsets[row + 1] = present(offsets[row]) + bag.length;
    });
    return { ids: Uint32Array.from(entries.flat()), ...(source.multi ? { offsets } : {}) };
  });
  return { rows: batch.rows, dense: denseInputs, ids };
}
