/** Every operation of the table: shapes, forward and gradients, in float64 and natively. */
import assert from 'node:assert/strict';
import {
  compile,
  expand,
  Graph,
  type Lowered,
  mul,
  OPERATIONS,
  rowDot,
  type TaskLoss,
  type Value,
  verifyPlan,
} from '../../src/graph/index.js';
import { CASES, type OperationCase } from './cases.js';
import { randomBatch, randomParameters, uniform } from './random.js';
import { present, type ReferenceBatch, runReference } from './reference.js';

const RUN = { seed: 5, step: 3 };
const STEP = 1e-5;

interface Built extends Lowered {
  readonly result: Value;
  /** Values whose gradients are outputs `gradient.<name>`. */
  readonly wrt: readonly Value[];
}

/** The case's result, read by losses whose logits are dot products with random rows. */
function buildCase(item: OperationCase, tileRows: number): Built {
  const graph = new Graph();
  const result = item.build(graph);
  const width = result.width;
  const rows = atRows(graph, result);
  const logits = rowDot(rows, graph.input('coefficients', 'row', width));
  const kinds = item.losses ?? ['mse'];
  const losses = kinds.map(
    (kind, index): TaskLoss => ({
      name: `task${index}`,
      kind,
      weight: 0.5 + index,
      delta: 0.6,
      logits,
    }),
  );
  const wrt = graph.values.filter(
    (value) =>
      value !== result &&
      value.name !== 'coefficients' &&
      value.name !== 'ones' &&
      isLeaf(graph, value) &&
      reaches(graph, value, logits),
  );
  return { ...compile({ graph, outputs: { result: rows }, losses, wrt, tileRows }), result, wrt };
}

function atRows(graph: Graph, value: Value): Value {
  if (value.domain === 'request') return expand(value);
  return value.domain === 'none' ? mul(graph.input('ones', 'row', 1), value) : value;
}

/** Inputs, parameters and lookups. */
function isLeaf(graph: Graph, value: Value): boolean {
  if (value.source.kind !== 'operation') return true;
  return graph.operations.some(
    (operation) => operation.definition.kind === 'embedding' && operation.outputs.includes(value),
  );
}

function reaches(graph: Graph, from: Value, to: Value): boolean {
  const reached = new Set([from]);
  for (const operation of graph.operations) {
    if (operation.definition.gradient && operation.inputs.some((input) => reached.has(input))) {
      for (const output of operation.outputs) reached.add(output);
    }
  }
  return reached.has(to);
}

/** The array that holds a leaf, to shift one of its elements. */
function storageOf(
  built: Built,
  leaf: Value,
  parameters: ReadonlyMap<string, Float64Array>,
  batch: ReferenceBatch,
): Float64Array | undefined {
  if (leaf.source.kind === 'parameter') return parameters.get(leaf.name);
  const input = built.plan.denseInputs.findIndex(({ name }) => name === leaf.name);
  return batch.dense[input];
}

function assertClose(actual: number, expected: number, tolerance: number, what: string): void {
  const error = Math.abs(actual - expected);
  assert.ok(
    error <= tolerance * Math.max(1, Math.abs(expected)),
    `${what}: ${actual} but expected ${expected} (off by ${error})`,
  );
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

/** dL/d(table) from the pooled gradients, id by id. */
function tableGradients(
  built: Built,
  batch: ReferenceBatch,
  pooled: readonly Float64Array[],
): Map<string, Float64Array> {
  const { plan } = built;
  const gradients = new Map(plan.tables.map(({ name, rows, dim }) => [name, new Float64Array(rows * dim)]));
  plan.sparseGradients.forEach(({ idInput, pooling }, index) => {
    const { table } = present(plan.idInputs[idInput]);
    const { name, dim } = present(plan.tables[table]);
    const gradient = present(gradients.get(name));
    const { ids, offsets, weights } = present(batch.ids?.[idInput]);
    const upstream = present(pooled[index]);
    for (let row = 0; row * dim < upstream.length; row += 1) {
      const from = offsets?.[row] ?? row;
      const to = offsets === undefined ? row + 1 : present(offsets[row + 1]);
      for (let e = from; e < to; e += 1) {
        const coefficient = (weights?.[e] ?? 1) / (pooling === 'mean' ? to - from : 1);
        for (let c = 0; c < dim; c += 1) {
          const at = present(ids[e]) * dim + c;
          gradient[at] = present(gradient[at]) + coefficient * present(upstream[row * dim + c]);
        }
      }
    }
  });
  return gradients;
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
          for (const [name, gradient] of tableGradients(built, batch, result.pooled)) {
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
