/** Softmax over groups of `group` columns. */
import type { OpDefinition } from '../definition.js';
import { graphError, type Value } from '../graph.js';
import { likeInput, numberOf, operands, sameDomain, sameWidth } from '../shapes.js';

/** dX = y ⊙ (dY − Σ dY·y), per group. */
export const softmaxGrad: OpDefinition = {
  kind: 'softmax.grad',
  infer(inputs, _attributes, layer) {
    const [dY, y] = operands(inputs, 2, layer);
    sameDomain(dY, y, layer);
    sameWidth(dY, y, layer);
    return [{ domain: y.domain, shape: y.shape }];
  },
};

export const softmaxOp: OpDefinition = {
  kind: 'softmax',
  infer(inputs, attributes, layer) {
    const [x] = operands(inputs, 1, layer);
    const group = numberOf(attributes, 'group', layer);
    if (group < 1 || x.width % group !== 0) {
      throw graphError(
        layer,
        `[${x.shape.join(', ')}] does not split into groups of [${group}]`,
        'group must divide the width',
      );
    }
    return likeInput(inputs, layer);
  },
  gradient(context, operation, [dY]) {
    const [x] = operands(operation.inputs, 1, operation.layer);
    const y = operation.outputs[0];
    if (dY === undefined || y === undefined) return;
    const group = numberOf(operation.attributes, 'group', operation.layer);
    context.add(x, context.emit(softmaxGrad, [dY, y], { group }));
  },
};

/** `group`: columns that sum to 1 together; default the whole width. */
export function softmax(x: Value, options: { readonly group?: number; readonly name?: string } = {}): Value {
  const layer = x.graph.layer(options.name ?? 'softmax');
  const [y] = x.graph.emit(softmaxOp, [x], { layer, attributes: { group: options.group ?? x.width } });
  return y as Value;
}
