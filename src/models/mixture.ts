/** Experts and the gates that mix them (MMoE, Ma et al. 2018, eq. 5–7): the parts of mmoe, ple and taml. */
import type { LayersConfig } from '../config/models.js';
import { add, concat, linear, mlp, slice, softmax, type Value, weightedSum } from '../graph/index.js';

/** Experts of one width, side by side. */
export interface Experts {
  /** Of each, in their order. */
  readonly names: readonly string[];
  /** row [count · width]. */
  readonly outputs: Value;
}

/** One group of `count` experts on x, MLPs `<name>.<i>` with ReLU after every layer; no group for none. */
export function experts(x: Value, name: string, count: number, { hidden, dropout }: LayersConfig): Experts[] {
  if (count === 0) return [];
  const names = Array.from({ length: count }, (_, i) => `${name}.${i}`);
  const each = names.map((expert) => mlp(x, expert, { sizes: hidden, last: 'relu', dropout }));
  return [{ names: names.map((expert) => x.graph.layer(expert)), outputs: concat(each, name) }];
}

/** A gate as a model shows it: which experts its weights are of. */
export interface Gate {
  readonly name: string;
  readonly experts: readonly string[];
  /** The weights, row or none [experts]. */
  readonly weights: Value;
  /** They are of connections, which are open or closed. */
  readonly connections?: boolean;
}

/** The gates of one model and how they mix. */
export class Mixtures {
  readonly gates: Gate[] = [];

  constructor(private readonly options = { bias: false }) {}

  /**
   * Σ_i g_i e_i over the experts of all groups in their order, row [width], with g = softmax(x Wᵀ) and
   * W = `<name>.weight` [experts, width of x].
   */
  mix(x: Value, name: string, groups: readonly Experts[]): Value {
    const experts = groups.flatMap(({ names }) => names);
    const logits = linear(x, name, { out: experts.length, bias: this.options.bias });
    const weights = softmax(logits, { name: `${name}.softmax` });
    this.gates.push({ name: x.graph.layer(name), experts, weights });
    let first = 0;
    const sums = groups.map(({ names, outputs }, i) => {
      const own = groups.length === 1 ? weights : slice(weights, first, names.length);
      first += names.length;
      return weightedSum(own, outputs, `${name}.mixture.${i}`);
    });
    return sums.reduce((total, sum) => add(total, sum, `${name}.mixture`));
  }
}
