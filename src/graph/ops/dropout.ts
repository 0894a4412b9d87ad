/**
 * Zeroes an element with probability `rate` and scales the rest by 1 / (1 − rate) while training; does nothing in
 * prediction. Bits: Philox keyed by (seed, step, operation, row, element), so masks depend on no thread or tile.
 */
import type { OpDefinition } from '../definition.js';
import { graphError, type Value } from '../graph.js';
import { likeInput, numberOf, operands } from '../shapes.js';

export const dropoutGrad: OpDefinition = {
  kind: 'dropout.grad',
  infer: (inputs, _attributes, layer) => likeInput(inputs, layer),
};

export const dropoutOp: OpDefinition = {
  kind: 'dropout',
  infer(inputs, attributes, layer) {
    const rate = numberOf(attributes, 'rate', layer);
    if (!(rate >= 0 && rate < 1)) throw graphError(layer, `rate ${rate} is not in [0, 1)`, 'give a rate below 1');
    return likeInput(inputs, layer);
  },
  gradient(context, operation, [dY]) {
    const [x] = operands(operation.inputs, 1, operation.layer);
    if (dY === undefined) return;
    const rate = numberOf(operation.attributes, 'rate', operation.layer);
    context.add(x, context.emit(dropoutGrad, [dY], { rate, maskOf: operation.id }));
  },
};

/** `rate` in [0, 1); 0 returns x itself. */
export function dropout(x: Value, rate: number, name = 'dropout'): Value {
  if (rate === 0) return x;
  const [y] = x.graph.emit(dropoutOp, [x], { layer: x.graph.layer(name), attributes: { rate } });
  return y as Value;
}
