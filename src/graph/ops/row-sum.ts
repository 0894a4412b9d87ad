/** Σ over the width: one number per row. */
import type { OpDefinition } from '../definition.js';
import type { Value } from '../graph.js';
import { operands } from '../shapes.js';
import { addOp } from './elementwise.js';
import { zeroAttributes, zeroOp } from './zero.js';

export const rowSumOp: OpDefinition = {
  kind: 'rowSum',
  infer(inputs, _attributes, layer) {
    const [x] = operands(inputs, 1, layer);
    return [{ domain: x.domain, shape: [1] }];
  },
  gradient(context, operation, [dY]) {
    const [x] = operands(operation.inputs, 1, operation.layer);
    if (dY === undefined) return;
    if (x.width === 1) {
      context.add(x, dY);
      return;
    }
    const zero = context.emit(zeroOp, [], zeroAttributes(x.domain, x.width));
    context.add(x, context.emit(addOp, [zero, dY]));
  },
};

export function rowSum(x: Value, name = 'row_sum'): Value {
  const [y] = x.graph.emit(rowSumOp, [x], { layer: x.graph.layer(name) });
  return y as Value;
}
