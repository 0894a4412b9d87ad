/** Graphs around the cases of the operation table, and what tests compare. */
import assert from 'node:assert/strict';
import { compile, expand, Graph, type Lowered, mul, rowDot, type TaskLoss, type Value } from '../../src/graph/index.js';
import type { Plan } from '../../src/runtime/plan.js';
import type { OperationCase } from './cases.js';
import { present, type ReferenceBatch } from './reference.js';

export interface BuiltCase extends Lowered {
  readonly result: Value;
  /** Values whose gradients are outputs `gradient.<name>`. */
  readonly wrt: readonly Value[];
}

/** The case's result, read by losses whose logits are dot products with random rows. */
export function buildCase(item: OperationCase, tileRows: number): BuiltCase {
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

export function assertClose(actual: number, expected: number, tolerance: number, what: string): void {
  const error = Math.abs(actual - expected);
  assert.ok(
    error <= tolerance * Math.max(1, Math.abs(expected)),
    `${what}: ${actual} but expected ${expected} (off by ${error})`,
  );
}

/** dL/d(table) from the pooled gradients, id by id. */
export function tableGradients(
  plan: Plan,
  batch: ReferenceBatch,
  pooled: readonly Float64Array[],
): Map<string, Float64Array> {
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
