/**
 * Which values are views of which: slices of their input, concat operands of the concat's result. An operand that
 * cannot be written in place (an input, a parameter, a view, or already part of another concat) gets a copy.
 */
import type { Graph, Operation, Value } from './graph.js';
import { concatOp, sliceOp } from './ops/concat.js';
import { copyOp } from './ops/copy.js';
import { expandOp } from './ops/expand.js';
import { stopGradientOp } from './ops/stop-gradient.js';

export interface Place {
  /** The value that owns the memory. */
  readonly root: Value;
  /** First column of the view in a row of the root. */
  readonly column: number;
}

export interface Layout {
  readonly operations: readonly Operation[];
  place(value: Value): Place;
}

interface Parent {
  readonly value: Value;
  readonly column: number;
}

export function layOut(graph: Graph, operations: readonly Operation[]): Layout {
  const parents = new Map<Value, Parent>();
  const listed: Operation[] = [];
  for (const operation of operations) {
    if (operation.definition === concatOp) listed.push(...placeOperands(graph, operation, parents));
    else if (operation.definition === expandOp) listed.push(...keepOperand(graph, operation, parents));
    else listed.push(operation);
    viewOf(operation, parents);
  }
  return { operations: listed, place: (value) => resolve(value, parents) };
}

/** The source of a view's memory when it is an input or a parameter, which no operation may write. */
export function readOnlySource(value: Value, operations: readonly Operation[]): Value | undefined {
  const parents = new Map<Value, Parent>();
  for (const operation of operations) viewOf(operation, parents);
  const { root } = resolve(value, parents);
  return root.source.kind === 'input' || root.source.kind === 'parameter' ? root : undefined;
}

function viewOf(operation: Operation, parents: Map<Value, Parent>): void {
  const [x] = operation.inputs;
  const [y] = operation.outputs;
  if (y === undefined) return;
  if (operation.into !== undefined) parents.set(y, { value: operation.into, column: 0 });
  if (x === undefined) return;
  if (operation.definition === sliceOp) parents.set(y, { value: x, column: Number(operation.attributes.start) });
  if (operation.definition === stopGradientOp) parents.set(y, { value: x, column: 0 });
}

function placeOperands(graph: Graph, concat: Operation, parents: Map<Value, Parent>): Operation[] {
  const [result] = concat.outputs;
  if (result === undefined) return [concat];
  const copies: Operation[] = [];
  let column = 0;
  const inputs = concat.inputs.map((operand) => {
    const placed = operand.source.kind === 'operation' && !parents.has(operand) ? operand : copyOf(operand);
    parents.set(placed, { value: result, column });
    column += operand.width;
    return placed;
  });
  return [...copies, { ...concat, inputs }];

  function copyOf(operand: Value): Value {
    const { operation, output } = graph.append(copyOp, [operand], { layer: concat.layer, backward: concat.backward });
    copies.push(operation);
    return output;
  }
}

/** Rows of another domain read an expanded value, so an input must be copied to where the whole batch is kept. */
function keepOperand(graph: Graph, expand: Operation, parents: ReadonlyMap<Value, Parent>): Operation[] {
  const [x] = expand.inputs;
  if (x === undefined || resolve(x, parents).root.source.kind !== 'input') return [expand];
  const { operation, output } = graph.append(copyOp, [x], { layer: expand.layer });
  return [operation, { ...expand, inputs: [output] }];
}

function resolve(value: Value, parents: ReadonlyMap<Value, Parent>): Place {
  let root = value;
  let column = 0;
  for (let parent = parents.get(root); parent !== undefined; parent = parents.get(root)) {
    root = parent.value;
    column += parent.column;
  }
  return { root, column };
}
