/** Elementwise functions of one value. */
import type { OpDefinition } from '../definition.js';
import type { Value } from '../graph.js';
import { likeInput, operands, sameDomain, sameWidth, stringOf } from '../shapes.js';

export const UNARY_FUNCTIONS = ['exp', 'log', 'softplus', 'square', 'sqrt', 'abs', 'neg'] as const;
export type UnaryFunction = (typeof UNARY_FUNCTIONS)[number];

/** dX = dY · f′(x), from x and y. */
export const unaryGrad: OpDefinition = {
  kind: 'unary.grad',
  infer(inputs, _attributes, layer) {
    const [dY, x, y] = operands(inputs, 3, layer);
    sameDomain(dY, x, layer);
    sameWidth(dY, x, layer);
    sameWidth(x, y, layer);
    return [{ domain: x.domain, shape: x.shape }];
  },
};

export const unary: OpDefinition = {
  kind: 'unary',
  infer: (inputs, _attributes, layer) => likeInput(inputs, layer),
  gradient(context, operation, [dY]) {
    const [x] = operands(operation.inputs, 1, operation.layer);
    const y = operation.outputs[0];
    if (dY === undefined || y === undefined) return;
    const name = stringOf(operation.attributes, 'function', operation.layer);
    context.add(x, context.emit(unaryGrad, [dY, x, y], { function: name }));
  },
};

function apply(x: Value, name: UnaryFunction): Value {
  const [y] = x.graph.emit(unary, [x], { layer: x.graph.layer(name), attributes: { function: name } });
  return y as Value;
}

export const exp = (x: Value): Value => apply(x, 'exp');
export const log = (x: Value): Value => apply(x, 'log');
export const softplus = (x: Value): Value => apply(x, 'softplus');
export const square = (x: Value): Value => apply(x, 'square');
export const sqrt = (x: Value): Value => apply(x, 'sqrt');
export const abs = (x: Value): Value => apply(x, 'abs');
export const neg = (x: Value): Value => apply(x, 'neg');
