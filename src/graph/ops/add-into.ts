/** y += x, where y is an accumulator. */
import type { OpDefinition } from '../definition.js';
import { likeInput } from '../shapes.js';

export const addIntoOp: OpDefinition = {
  kind: 'addInto',
  infer: (inputs, _attributes, layer) => likeInput(inputs, layer),
};
