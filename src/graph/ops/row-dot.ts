/** Σ over the width of a · b: one number per row. */
import type { OpDefinition } from '../definition.js';
import type { Value } from '../graph.js';
import { operands, sameDomain, sameWidth } from '../shapes.js';
import { mulOp } from './elementwise.js';

export const rowDotOp: OpDefinition = {
  kind: 'rowDot',
  infer(inputs, _attributes, layer) {
    const [a, b] = operands(inputs, 2, layer);
    sameDomain(a, b, layer);
    sameWidth(a, b, layer);
    return [{ domain: a.domain, shape: [1] }];
  },
  gradient(context, operation, [dY]) {
    const [a, b] = operands(operation.inputs, 2, operation.layer);
    if (dY === undefined) return;
    if (context.needs(a)) context.add(a, context.emit(mulOp, [b, dY]));
    if (context.needs(b)) context.add(b, context.emit(mulOp, [a, dY]));
  },
};

export function rowDot(a: Value, b: Value, name = 'row_dot'): Value {
  const [c] = a.graph.emit(rowDotOp, [a, b], { layer: a.graph.layer(name) });
  return c as Value;
}
