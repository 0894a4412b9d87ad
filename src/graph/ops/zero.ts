/** A value of zeros: what a gradient holds where nothing flows back. */
import type { Domain } from '../../runtime/plan.js';
import type { OpDefinition } from '../definition.js';
import type { Attributes } from '../graph.js';
import { numberOf, stringOf } from '../shapes.js';

export const zeroOp: OpDefinition = {
  kind: 'zero',
  compileOnly: ['domain', 'width'],
  infer(_inputs, attributes, layer) {
    const domain = stringOf(attributes, 'domain', layer);
    return [{ domain: domain as Domain, shape: [numberOf(attributes, 'width', layer)] }];
  },
};

export function zeroAttributes(domain: Domain, width: number): Attributes {
  return { domain, width };
}
