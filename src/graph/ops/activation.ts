/** ReLU, sigmoid and tanh; the gradient reads the output only, so it can work in place. */
import type { OpDefinition } from '../definition.js';
import type { Value } from '../graph.js';
import { likeInput, operands, sameDomain, sameWidth, stringOf } from '../shapes.js';

export type Activation = 'none' | 'relu' | 'sigmoid' | 'tanh';

/** dX = dY · f′, with f′ from y: relu y > 0, sigmoid y(1 − y), tanh 1 − y². */
export const activationGrad: OpDefinition = {
  kind: 'activation.grad',
  inPlace: true,
  infer(inputs, _attributes, layer) {
    const [dY, y] = operands(inputs, 2, layer);
    sameDomain(dY, y, layer);
    sameWidth(dY, y, layer);
    return [{ domain: y.domain, shape: y.shape }];
  },
};

export const activation: OpDefinition = {
  kind: 'activation',
  inPlace: true,
  infer: (inputs, _attributes, layer) => likeInput(inputs, layer),
  gradient(context, operation, [dY]) {
    const [x] = operands(operation.inputs, 1, operation.layer);
    const y = operation.outputs[0];
    if (dY === undefined || y === undefined) return;
    const kind = stringOf(operation.attributes, 'activation', operation.layer);
    context.add(x, context.emit(activationGrad, [dY, y], { activation: kind }));
  },
};

function apply(x: Value, kind: Exclude<Activation, 'none'>, name: string): Value {
  const [y] = x.graph.emit(activation, [x], { layer: x.graph.layer(name), attributes: { activation: kind } });
  return y as Value;
}

export const relu = (x: Value, name = 'relu'): Value => apply(x, 'relu', name);
export const sigmoid = (x: Value, name = 'sigmoid'): Value => apply(x, 'sigmoid', name);
export const tanh = (x: Value, name = 'tanh'): Value => apply(x, 'tanh', name);

export function activate(x: Value, kind: Activation, name: string = kind): Value {
  return kind === 'none' ? x : apply(x, kind, name);
}
