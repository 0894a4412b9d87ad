/** Brings a request value to the rows of its request; backward sums each request's rows. */
import type { OpDefinition } from '../definition.js';
import { describe, graphError, type Value } from '../graph.js';
import { operands } from '../shapes.js';

export const expandGrad: OpDefinition = {
  kind: 'expand.grad',
  infer(inputs, _attributes, layer) {
    const [dY] = operands(inputs, 1, layer);
    return [{ domain: 'request', shape: dY.shape }];
  },
};

export const expandOp: OpDefinition = {
  kind: 'expand',
  infer(inputs, _attributes, layer) {
    const [x] = operands(inputs, 1, layer);
    if (x.domain !== 'request') {
      throw graphError(layer, `${x.name} is ${describe(x)}`, 'only request values are expanded to rows');
    }
    return [{ domain: 'row', shape: x.shape }];
  },
  gradient(context, operation, [dY]) {
    const [x] = operands(operation.inputs, 1, operation.layer);
    if (dY !== undefined) context.add(x, context.emit(expandGrad, [dY]));
  },
};

export function expand(x: Value, name = 'expand'): Value {
  const [y] = x.graph.emit(expandOp, [x], { layer: x.graph.layer(name) });
  return y as Value;
}
