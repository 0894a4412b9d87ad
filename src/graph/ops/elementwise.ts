/**
 * add, sub, mul, div of two values. Either operand may have width 1 (a scalar per row) or be of domain none
 * (the same for every row); its gradient is then summed over what it was broadcast to.
 */
import type { GradientRule, OpDefinition } from '../definition.js';
import type { Value } from '../graph.js';
import { broadcast, operands } from '../shapes.js';
import { affineOp } from './affine.js';
import { rowDotOp } from './row-dot.js';

function definition(kind: string, gradient: GradientRule): OpDefinition {
  return { kind, infer: broadcast, gradient };
}

export const addOp = definition('add', (context, operation, [dY]) => {
  if (dY === undefined) return;
  for (const operand of operation.inputs) {
    if (context.needs(operand)) context.add(operand, dY);
  }
});

export const subOp = definition('sub', (context, operation, [dY]) => {
  const [a, b] = operands(operation.inputs, 2, operation.layer);
  if (dY === undefined) return;
  if (context.needs(a)) context.add(a, dY);
  if (context.needs(b)) context.add(b, context.emit(affineOp, [dY], { scale: -1, shift: 0 }));
});

export const mulOp: OpDefinition = definition('mul', (context, operation, [dY]) => {
  const [a, b] = operands(operation.inputs, 2, operation.layer);
  if (dY === undefined) return;
  for (const [operand, other] of [
    [a, b],
    [b, a],
  ] as const) {
    if (!context.needs(operand)) continue;
    const scalarPerRow = operand.width === 1 && dY.width > 1 && other.domain === dY.domain && other.width === dY.width;
    context.add(operand, context.emit(scalarPerRow ? rowDotOp : mulOp, [dY, other]));
  }
});

/** c = a / b: da = dY / b, db = −dY · c / b. */
export const divOp: OpDefinition = definition('div', (context, operation, [dY]) => {
  const [a, b] = operands(operation.inputs, 2, operation.layer);
  const c = operation.outputs[0];
  if (dY === undefined || c === undefined) return;
  const da = context.emit(divOp, [dY, b]);
  if (context.needs(a)) context.add(a, da);
  if (context.needs(b)) {
    context.add(b, context.emit(affineOp, [context.emit(mulOp, [da, c])], { scale: -1, shift: 0 }));
  }
});

function apply(op: OpDefinition, a: Value, b: Value, name: string): Value {
  const [c] = a.graph.emit(op, [a, b], { layer: a.graph.layer(name) });
  return c as Value;
}

export const add = (a: Value, b: Value, name = 'add'): Value => apply(addOp, a, b, name);
export const sub = (a: Value, b: Value, name = 'sub'): Value => apply(subOp, a, b, name);
export const mul = (a: Value, b: Value, name = 'mul'): Value => apply(mulOp, a, b, name);
export const div = (a: Value, b: Value, name = 'div'): Value => apply(divOp, a, b, name);
