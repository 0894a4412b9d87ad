/** Adds Σ over rows of x to an accumulator: the gradient of a domain-none operand that rows shared. */
import type { OpDefinition } from '../definition.js';
import { operands } from '../shapes.js';

/** `scalar` = 1 also sums over the width. */
export const sumRowsOp: OpDefinition = {
  kind: 'sumRows',
  infer(inputs, attributes, layer) {
    const [x] = operands(inputs, 1, layer);
    return [{ domain: 'none', shape: attributes.scalar === 1 ? [1] : x.shape }];
  },
};
