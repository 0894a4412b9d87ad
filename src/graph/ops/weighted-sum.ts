/** Σ_e gates[e] · experts[e·D, (e+1)·D): what a mixture-of-experts gate computes (MMoE, Ma et al. 2018, eq. 6). */
import type { OpDefinition } from '../definition.js';
import { describe, graphError, type Value } from '../graph.js';
import { operands, sameDomain } from '../shapes.js';

function check(gates: Value, experts: Value, layer: string): void {
  if (gates.domain !== 'none') sameDomain(gates, experts, layer);
  if (experts.width % gates.width !== 0) {
    throw graphError(
      layer,
      `gates ${gates.name} is ${describe(gates)} but experts ${experts.name} is ${describe(experts)}`,
      'the width of the experts must be a multiple of the number of gates',
    );
  }
}

export const weightedSumGrad: OpDefinition = {
  kind: 'weightedSum.grad',
  infer(inputs, _attributes, layer) {
    const [dY, gates, experts] = operands(inputs, 3, layer);
    check(gates, experts, layer);
    sameDomain(dY, experts, layer);
    return [
      { domain: experts.domain, shape: gates.shape },
      { domain: experts.domain, shape: experts.shape },
    ];
  },
};

export const weightedSumOp: OpDefinition = {
  kind: 'weightedSum',
  infer(inputs, _attributes, layer) {
    const [gates, experts] = operands(inputs, 2, layer);
    check(gates, experts, layer);
    return [{ domain: experts.domain, shape: [experts.width / gates.width] }];
  },
  gradient(context, operation, [dY]) {
    const [gates, experts] = operands(operation.inputs, 2, operation.layer);
    if (dY === undefined) return;
    const [dGates, dExperts] = context.emitAll(weightedSumGrad, [dY, gates, experts], { experts: gates.width });
    if (dGates !== undefined && context.needs(gates)) context.add(gates, dGates);
    if (dExperts !== undefined && context.needs(experts)) context.add(experts, dExperts);
  },
};

/** gates [E], of the rows or the same for all of them, experts [E·D] (concatenated) → [D]. */
export function weightedSum(gates: Value, experts: Value, name = 'weighted_sum'): Value {
  const layer = gates.graph.layer(name);
  const [y] = gates.graph.emit(weightedSumOp, [gates, experts], { layer, attributes: { experts: gates.width } });
  return y as Value;
}
