/** Arithmetic and memory traffic of a plan's operations, counted from their shapes. */
import type { Plan, PlanOp, PlanValue } from './plan.js';

export interface Cost {
  /** float32 operations: a multiply-add counts two, a transcendental function one. */
  readonly flops: number;
  /** Read and written, each operand once: what has to move when nothing is in a cache. */
  readonly bytes: number;
}

const FLOAT_BYTES = 4;

function valueAt(plan: Plan, index: number | undefined): PlanValue | undefined {
  return index === undefined ? undefined : plan.values[index];
}

function widthOf(plan: Plan, index: number | undefined): number {
  return valueAt(plan, index)?.width ?? 0;
}

/** Floats of a value that an operation over `rows` rows touches. */
function floatsOf(value: PlanValue | undefined, rows: number): number {
  if (value === undefined) return 0;
  return value.domain === 'none' ? value.width : rows * value.width;
}

/** Operations per row of kinds that do more than one per output element. */
function flopsPerRow(plan: Plan, op: PlanOp): number {
  const [first, second, third] = op.inputs;
  const output = widthOf(plan, op.outputs[0]);
  const dim = typeof op.attributes.dim === 'number' ? op.attributes.dim : 1;
  switch (op.kind) {
    case 'linear':
      return 2 * widthOf(plan, first) * output;
    case 'linear.dx':
    case 'linear.dw':
      return 2 * widthOf(plan, first) * widthOf(plan, op.kind === 'linear.dx' ? op.outputs[0] : second);
    case 'dotInteraction':
      return 2 * output * dim;
    case 'dotInteraction.grad':
      return 4 * widthOf(plan, first) * dim;
    case 'rowDot':
    case 'groupDot':
      return 2 * widthOf(plan, first);
    case 'weightedSum':
      return 2 * widthOf(plan, second);
    case 'weightedSum.grad':
      return 3 * widthOf(plan, third);
    case 'logSumExp':
      return 2 * widthOf(plan, first);
    case 'rowSum':
    case 'sumRows':
      return widthOf(plan, first);
    case 'concat':
    case 'copy':
    case 'zero':
    case 'expand':
      return 0;
    default:
      return op.outputs.reduce((sum, index) => sum + widthOf(plan, index), 0);
  }
}

/** Whether an operation multiplies by a dense layer's weights, or makes their gradient. */
export function isDenseProduct(kind: string): boolean {
  return kind.startsWith('linear');
}

/** Whether an operation is matrix products, of which tensor cores may round the operands. */
export function isProduct(kind: string): boolean {
  return isDenseProduct(kind) || kind.startsWith('dotInteraction');
}

/** Cost of an operation over `rows` rows of its segment. Lookups are not among them: `lookupCost`. */
export function operationCost(plan: Plan, op: PlanOp, rows: number): Cost {
  const floats = [...op.inputs, ...op.outputs].reduce((sum, index) => sum + floatsOf(valueAt(plan, index), rows), 0);
  const accumulates = op.outputs.reduce((sum, index) => {
    const value = valueAt(plan, index);
    return sum + (value?.storage === 'grad' ? value.width : 0);
  }, 0);
  return { flops: rows * flopsPerRow(plan, op), bytes: FLOAT_BYTES * (floats + accumulates) };
}

/** Cost of pooling `ids` rows of `dim` floats into `bags` bags: every id reads its row. */
export function lookupCost(ids: number, bags: number, dim: number): Cost {
  return { flops: ids * dim, bytes: FLOAT_BYTES * (ids * (dim + 1) + bags * (dim + 1)) };
}

/** Floats of optimizer state beside each table row. */
export function stateFloats(kind: 'sgd' | 'adagrad' | 'rowwise-adagrad' | 'adam', dim: number): number {
  return { sgd: 0, adagrad: dim, 'rowwise-adagrad': 1, adam: 2 * dim }[kind];
}

/** Cost of the fused update: a pooled gradient read per id, each distinct row and its state read and written once. */
export function sparseUpdateCost(ids: number, distinct: number, dim: number, state: number): Cost {
  return {
    flops: 2 * ids * dim + 4 * distinct * dim,
    bytes: FLOAT_BYTES * (ids * (dim + 3) + 2 * distinct * (dim + state)),
  };
}
