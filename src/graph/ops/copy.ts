/** y = x between two views: for concat operands that cannot be written in place, and outputs that are inputs. */
import type { OpDefinition } from '../definition.js';
import { likeInput, operands } from '../shapes.js';

export const copyOp: OpDefinition = {
  kind: 'copy',
  infer: (inputs, _attributes, layer) => likeInput(inputs, layer),
  gradient(context, operation, [dY]) {
    const [x] = operands(operation.inputs, 1, operation.layer);
    if (dY !== undefined) context.add(x, dY);
  },
};
