/** Layers that own their parameters. Initialisation follows DLRM's reference: specs in the docstrings. */
import type { Domain, Init } from '../runtime/plan.js';
import type { Graph, Value } from './graph.js';
import { type Activation, activate } from './ops/activation.js';
import { dropout } from './ops/dropout.js';
import { add, mul } from './ops/elementwise.js';
import { linearWith } from './ops/linear.js';

/** A dense input [width] of the batch. */
export function input(graph: Graph, name: string, options: { domain: Domain; width: number }): Value {
  return graph.input(name, options.domain, options.width);
}

/** A trained tensor of domain none, named in the current scopes. */
export function parameter(graph: Graph, name: string, shape: readonly number[], init: Init): Value {
  return graph.parameter(name, shape, init);
}

export interface LinearOptions {
  readonly out: number;
  /** Default true. */
  readonly bias?: boolean;
  readonly activation?: Activation;
}

/** Scale of the first weights of a single output, relative to other layers. */
const LOGIT_GAIN = 0.2;

/**
 * act(x Wᵀ + b) with parameters `<name>.weight` [out, in] ~ N(0, 2 / (out + in)) and `<name>.bias` [out] ~ N(0, 1 / out)
 * (variances; Naumov et al. 2019, reference code). A single output starts near 0 instead: bias 0, weights times LOGIT_GAIN.
 * The reference's bias N(0, 1) and full weights make the first predictions confident at random, which a short training
 * never makes good (64 steps on a small click log: NE .97 instead of .94).
 */
export function linear(x: Value, name: string, options: LinearOptions): Value {
  const { graph } = x;
  const { out } = options;
  return graph.scope(name, () => {
    const gain = out === 1 ? LOGIT_GAIN : 1;
    const weightInit: Init = { kind: 'normal', scale: gain * Math.sqrt(2 / (out + x.width)) };
    const weight = graph.parameter('weight', [out, x.width], weightInit);
    const biasInit: Init = out === 1 ? { kind: 'zero' } : { kind: 'normal', scale: Math.sqrt(1 / out) };
    const bias = options.bias === false ? undefined : graph.parameter('bias', [out], biasInit);
    return activate(linearWith(x, weight, bias), options.activation ?? 'none');
  });
}

export interface MlpOptions {
  /** Widths of the layers. */
  readonly sizes: readonly number[];
  /** After every layer but the last; default relu. */
  readonly activation?: Activation;
  /** After the last layer; default none. */
  readonly last?: Activation;
  /** Dropout rate after every activated layer; default 0. */
  readonly dropout?: number;
}

/** Linear layers `<name>.0`, `<name>.1`, …; no sizes give x itself. */
export function mlp(x: Value, name: string, options: MlpOptions): Value {
  const { graph } = x;
  const { sizes } = options;
  return graph.scope(name, () =>
    sizes.reduce((h, out, index) => {
      const isLast = index === sizes.length - 1;
      const activation = isLast ? (options.last ?? 'none') : (options.activation ?? 'relu');
      const y = linear(h, String(index), { out, activation });
      return activation === 'none' ? y : dropout(y, options.dropout ?? 0, `${index}.dropout`);
    }, x),
  );
}

export interface CrossNetworkOptions {
  readonly layers: number;
  /** r of every layer. */
  readonly rank: number;
}

/**
 * x_{l+1} = x_0 ⊙ (U_l V_l x_l + b_l) + x_l, as wide as x_0, n: the cross network of DCN-v2 in its low-rank form (Wang et al. 2021, §3.1 and
 * eq. 5). Parameters `<name>.<l>.down.weight` [r, n] (V), `<name>.<l>.up.weight` [n, r] (U) and `<name>.<l>.up.bias` [n] (b), started as those of `linear`.
 */
export function crossNetwork(x0: Value, name: string, { layers, rank }: CrossNetworkOptions): Value {
  return x0.graph.scope(name, () => {
    let x = x0;
    for (let layer = 0; layer < layers; layer += 1) {
      x = x0.graph.scope(String(layer), () => {
        const down = linear(x, 'down', { out: rank, bias: false });
        return add(mul(x0, linear(down, 'up', { out: x0.width })), x);
      });
    }
    return x;
  });
}
