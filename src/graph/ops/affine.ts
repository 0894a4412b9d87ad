/** y = scale · x + shift with constants. */
import type { OpDefinition } from '../definition.js';
import type { Value } from '../graph.js';
import { likeInput, numberOf, operands } from '../shapes.js';

export const affineOp: OpDefinition = {
  kind: 'affine',
  infer: (inputs, _attributes, layer) => likeInput(inputs, layer),
  gradient(context, operation, [dY]) {
    const [x] = operands(operation.inputs, 1, operation.layer);
    if (dY === undefined) return;
    const scale = numberOf(operation.attributes, 'scale', operation.layer);
    context.add(x, scale === 1 ? dY : context.emit(affineOp, [dY], { scale, shift: 0 }));
  },
};

export function affine(x: Value, scale: number, shift: number, name = 'affine'): Value {
  const [y] = x.graph.emit(affineOp, [x], { layer: x.graph.layer(name), attributes: { scale, shift } });
  return y as Value;
}
