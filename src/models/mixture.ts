/** Experts and the gates that mix them (MMoE, Ma et al. 2018, eq. 5–7): the parts of mmoe, ple and taml. */
import type { LayersConfig } from '../config/models.js';
import { add, concat, linear, mlp, slice, softmax, type Value, weightedSum } from '../graph/index.js';

/** Experts of one width, side by side. */
export interface Experts {
  readonly count: number;
  /** row [count · width]. */
  readonly outputs: Value;
}

/** One group of `count` experts on x, MLPs `<name>.<i>` with ReLU after every layer; no group for none. */
export function experts(x: Value, name: string, count: number, { hidden, dropout }: LayersConfig): Experts[] {
  if (count === 0) return [];
  const each = Array.from({ length: count }, (_, i) =>
    mlp(x, `${name}.${i}`, { sizes: hidden, last: 'relu', dropout }),
  );
  return [{ count, outputs: concat(each, name) }];
}

/**
 * Σ_i g_i e_i over the experts of all groups in their order, row [width], with g = softmax(x Wᵀ) and
 * W = `<name>.weight` [experts, width of x].
 */
export function mixture(x: Value, name: string, groups: readonly Experts[], options = { bias: false }): Value {
  const out = groups.reduce((sum, { count }) => sum + count, 0);
  const gates = softmax(linear(x, name, { out, bias: options.bias }), { name: `${name}.softmax` });
  let first = 0;
  const sums = groups.map(({ count, outputs }, i) => {
    const own = groups.length === 1 ? gates : slice(gates, first, count);
    first += count;
    return weightedSum(own, outputs, `${name}.mixture.${i}`);
  });
  return sums.reduce((total, sum) => add(total, sum, `${name}.mixture`));
}
