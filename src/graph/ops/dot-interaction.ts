/**
 * Dot products of every pair of F vectors of length d, stacked in one value: the strictly lower triangle of T Tᵀ,
 * row by row: (1,0), (2,0), (2,1), (3,0), … (DLRM, Naumov et al. 2019).
 */
import type { OpDefinition } from '../definition.js';
import { describe, graphError, type Value } from '../graph.js';
import { numberOf, operands, sameDomain } from '../shapes.js';

/** dT = (G + Gᵀ) T with G the triangle of incoming gradients; `accumulate` = 1 adds to the output instead of writing it. */
export const dotInteractionGrad: OpDefinition = {
  kind: 'dotInteraction.grad',
  infer(inputs, _attributes, layer) {
    const [dY, x] = operands(inputs, 2, layer);
    sameDomain(dY, x, layer);
    return [{ domain: x.domain, shape: x.shape }];
  },
};

export const dotInteractionOp: OpDefinition = {
  kind: 'dotInteraction',
  infer(inputs, attributes, layer) {
    const [x] = operands(inputs, 1, layer);
    const dim = numberOf(attributes, 'dim', layer);
    const vectors = x.width / dim;
    if (!Number.isInteger(vectors) || vectors < 2) {
      throw graphError(
        layer,
        `${x.name} is ${describe(x)}, which is not two or more vectors of [${dim}]`,
        'concatenate at least two vectors of that length',
      );
    }
    return [{ domain: x.domain, shape: [(vectors * (vectors - 1)) / 2] }];
  },
  gradient(context, operation, [dY]) {
    const [x] = operands(operation.inputs, 1, operation.layer);
    if (dY === undefined) return;
    const dim = numberOf(operation.attributes, 'dim', operation.layer);
    context.add(x, context.emit(dotInteractionGrad, [dY, x], { dim, accumulate: 0 }));
  },
};

/** x [F·dim] → [F(F−1)/2]. */
export function dotInteraction(x: Value, dim: number, name = 'dot_interaction'): Value {
  const [y] = x.graph.emit(dotInteractionOp, [x], { layer: x.graph.layer(name), attributes: { dim } });
  return y as Value;
}
