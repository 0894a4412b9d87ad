/** log Σ e^x over the width: one number per row. Its gradient is the softmax. */
import type { OpDefinition } from '../definition.js';
import type { Value } from '../graph.js';
import { operands } from '../shapes.js';
import { mulOp } from './elementwise.js';
import { softmaxOp } from './softmax.js';

export const logSumExpOp: OpDefinition = {
  kind: 'logSumExp',
  infer(inputs, _attributes, layer) {
    const [x] = operands(inputs, 1, layer);
    return [{ domain: x.domain, shape: [1] }];
  },
  gradient(context, operation, [dY]) {
    const [x] = operands(operation.inputs, 1, operation.layer);
    if (dY === undefined) return;
    context.add(x, context.emit(mulOp, [context.emit(softmaxOp, [x], { group: x.width }), dY]));
  },
};

export function logSumExp(x: Value, name = 'log_sum_exp'): Value {
  const [y] = x.graph.emit(logSumExpOp, [x], { layer: x.graph.layer(name) });
  return y as Value;
}
