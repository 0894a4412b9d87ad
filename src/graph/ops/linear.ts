/** y = act(x Wᵀ + b), W [out, in] as in PyTorch. */
import type { OpDefinition } from '../definition.js';
import { describe, graphError, type Value } from '../graph.js';
import { joinDomains, operands } from '../shapes.js';
import { activationGrad } from './activation.js';

/** dX = dPre W. Fused, with a third operand y: 0 where y is not above 0, the gradient of the ReLU that made y. */
export const linearDx: OpDefinition = {
  kind: 'linear.dx',
  infer(inputs, _attributes, layer) {
    const [dPre, weight] = operands(inputs, 2, layer);
    return [{ domain: dPre.domain, shape: [weight.shape[1] ?? 1] }];
  },
};

/** Adds dPreᵀ x to the accumulator of W, and Σ over rows of dPre to that of b. */
export const linearDw: OpDefinition = {
  kind: 'linear.dw',
  infer(inputs, _attributes, layer) {
    const [dPre, x] = operands(inputs, 2, layer);
    return [
      { domain: 'none', shape: [dPre.width, x.width] },
      { domain: 'none', shape: [dPre.width] },
    ];
  },
};

export const linearOp: OpDefinition = {
  kind: 'linear',
  infer(inputs, _attributes, layer) {
    const [x, weight, bias] = inputs;
    if (x === undefined || weight === undefined) {
      throw graphError(layer, 'a linear layer needs x and a weight', 'pass both');
    }
    const [out, into] = weight.shape;
    if (weight.domain !== 'none' || weight.shape.length !== 2 || into !== x.width || out === undefined) {
      throw graphError(
        layer,
        `input ${x.name} is ${describe(x)} but weight ${weight.name} is ${describe(weight)}`,
        `the weight must be none [out, ${x.width}]`,
      );
    }
    if (bias !== undefined && (bias.domain !== 'none' || bias.width !== out)) {
      throw graphError(
        layer,
        `weight ${weight.name} is ${describe(weight)} but bias ${bias.name} is ${describe(bias)}`,
        `the bias must be none [${out}]`,
      );
    }
    return [{ domain: joinDomains([x], layer), shape: [out] }];
  },
  gradient(context, operation, [dY]) {
    const [x, weight, bias] = operation.inputs;
    const y = operation.outputs[0];
    if (dY === undefined || y === undefined || x === undefined || weight === undefined) return;
    const activation = operation.attributes.activation ?? 'none';
    const dPre = activation === 'none' ? dY : context.emit(activationGrad, [dY, y], { activation });
    const trainsBias = bias !== undefined && context.needs(bias);
    if (context.needs(weight)) {
      const outputs = [context.accumulator(weight), ...(trainsBias ? [context.accumulator(bias)] : [])];
      context.emitInto(linearDw, [dPre, x], outputs);
    } else if (trainsBias) {
      context.add(bias, dPre);
    }
    if (context.needs(x)) context.add(x, context.emit(linearDx, [dPre, weight]));
  },
};

/** A linear layer on given parameters; see layers.ts for one that makes its own. */
export function linearWith(x: Value, weight: Value, bias: Value | undefined, name = 'linear'): Value {
  const inputs = bias === undefined ? [x, weight] : [x, weight, bias];
  const [y] = x.graph.emit(linearOp, inputs, { layer: x.graph.layer(name), attributes: { activation: 'none' } });
  return y as Value;
}
