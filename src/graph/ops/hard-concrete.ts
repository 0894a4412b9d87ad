/**
 * Gates between 0 and 1 that learn whether to be open (Louizos et al. 2018, eq. 10–12): with u uniform, one draw a step and
 * gate, s = σ((logit u + logit) / temperature) and z = clip(s (high − low) + low, 0, 1). Without stretching (low 0, high 1) they are
 * the concrete gates of dropout (Gal et al. 2017). In prediction z = clip(σ(logit) (high − low) + low, 0, 1). Bits: Philox keyed by (seed, step,
 * operation, gate).
 */
import type { OpDefinition } from '../definition.js';
import { type Attributes, describe, graphError, type Value } from '../graph.js';
import { numberOf, operands, sameWidth } from '../shapes.js';

function check(logits: Value, attributes: Attributes, layer: string): void {
  if (logits.domain !== 'none') {
    throw graphError(layer, `${logits.name} is ${describe(logits)}`, 'gates are the same for every row: domain none');
  }
  const [temperature, low, high] = ['temperature', 'low', 'high'].map((key) => numberOf(attributes, key, layer));
  if (!(temperature !== undefined && temperature > 0)) {
    throw graphError(layer, `temperature ${temperature}`, 'give one above 0');
  }
  if (!(low !== undefined && high !== undefined && low <= 0 && high >= 1)) {
    throw graphError(layer, `gates stretched to [${low}, ${high}]`, 'give low ≤ 0 and high ≥ 1');
  }
}

export const hardConcreteGrad: OpDefinition = {
  kind: 'hardConcrete.grad',
  infer(inputs, _attributes, layer) {
    const [dZ, logits] = operands(inputs, 2, layer);
    sameWidth(dZ, logits, layer);
    return [{ domain: 'none', shape: logits.shape }];
  },
};

export const hardConcreteOp: OpDefinition = {
  kind: 'hardConcrete',
  infer(inputs, attributes, layer) {
    const [logits] = operands(inputs, 1, layer);
    check(logits, attributes, layer);
    return [{ domain: 'none', shape: logits.shape }];
  },
  gradient(context, operation, [dZ]) {
    const [logits] = operands(operation.inputs, 1, operation.layer);
    if (dZ === undefined) return;
    const attributes = { ...operation.attributes, maskOf: operation.id };
    context.add(logits, context.emit(hardConcreteGrad, [dZ, logits], attributes));
  },
};

export interface HardConcreteOptions {
  readonly temperature: number;
  /** ≤ 0. */
  readonly low: number;
  /** ≥ 1. */
  readonly high: number;
}

/** logits none [gates] → gates in [0, 1], none [gates]. */
export function hardConcrete(logits: Value, options: HardConcreteOptions, name = 'hard_concrete'): Value {
  const { temperature, low, high } = options;
  const attributes = { temperature, low, high };
  const [z] = logits.graph.emit(hardConcreteOp, [logits], { layer: logits.graph.layer(name), attributes });
  return z as Value;
}
