/**
 * Sub-networks in layers whose outputs are routed by gates (SNR-Aver, Ma et al. 2019): an input of the next layer is
 * Σ_i z_b,i v_i, or Σ_i z_b,i W_b,i v_i (SNR-Trans), a hard concrete gate for each pair of output b and input i, the same for every row. With known logits a graph has the live
 * connections only (ẑ > 0), and no sub-network that none of them reads.
 */
import type { EcmmConfig } from '../config/models.js';
import {
  add,
  affine,
  concat,
  constant,
  type Graph,
  hardConcrete,
  linear,
  rowSum,
  sigmoid,
  slice,
  type Value,
  weightedSum,
  zeroRows,
} from '../graph/index.js';
import type { Gate } from './mixture.js';

/** A parameter's values by name, where they are known. */
export type KnownWeights = (parameter: string) => Float32Array;

/** Gates of one layer of connections: [outputs, inputs]. */
interface Route {
  readonly z: Value;
  readonly logits: Value | undefined;
  readonly inputs: number;
  readonly live: readonly (readonly boolean[])[];
}

/** The sub-networks of a layer that are read, and what they say, row [nets · width]. */
interface Subnets {
  readonly nets: readonly number[];
  readonly outputs: Value | undefined;
}

export class Routing {
  readonly gates: Gate[] = [];
  private readonly routes: readonly Route[];

  /** `sizes`: sub-networks of each layer, then the number of towers. */
  constructor(
    private readonly graph: Graph,
    private readonly config: EcmmConfig['routing'],
    private readonly sizes: readonly number[],
    names: readonly string[],
    known: KnownWeights | undefined,
  ) {
    this.routes = sizes.slice(1).map((outputs, l) => {
      const inputs = sizes[l] ?? 0;
      const route = this.route(`routing.${l}`, outputs, inputs, known);
      const to = (b: number): string => (l + 2 === sizes.length ? (names[b] ?? '') : `${l + 1}.${b}`);
      const experts = Array.from(
        { length: outputs * inputs },
        (_, g) => `${l}.${g % inputs} → ${to(Math.floor(g / inputs))}`,
      );
      if (route.logits !== undefined)
        this.gates.push({ name: graph.layer(`routing.${l}`), experts, weights: route.z, connections: true });
      return route;
    });
  }

  /** What every tower reads, row [width]: sub-networks `subnets.<layer>.<i>`, the first layer's on x. */
  towers(x: Value, width: number): Value[] {
    let from: Subnets = { nets: [], outputs: undefined };
    for (const [layer, count] of this.sizes.slice(0, -1).entries()) {
      const nets = Array.from({ length: count }, (_, net) => net).filter((net) => this.isRead(layer, net));
      const inputs = nets.map((net) => (layer === 0 ? x : this.mixed(layer - 1, net, from, width)));
      const outputs = inputs.map((input, i) =>
        linear(input, `subnets.${layer}.${nets[i]}`, { out: width, activation: 'relu' }),
      );
      from = { nets, outputs: outputs.length === 0 ? undefined : concat(outputs, `routing.${layer}.inputs`) };
    }
    const last = this.sizes.length - 2;
    return Array.from({ length: this.sizes.at(-1) ?? 0 }, (_, t) => this.mixed(last, t, from, width));
  }

  /** Σ P(z ≠ 0) over all gates, none [1]: σ(logit − temperature · log(−low / high)); undefined without gates. */
  expectedLive(): Value | undefined {
    const { temperature, low, high } = this.config;
    const counts = this.routes.flatMap(({ logits }) => {
      return logits === undefined ? [] : [rowSum(sigmoid(affine(logits, 1, -temperature * Math.log(-low / high))))];
    });
    return counts.length === 0 ? undefined : counts.reduce((sum, count) => add(sum, count, 'live'));
  }

  private route(name: string, outputs: number, inputs: number, known: KnownWeights | undefined): Route {
    const { gates, temperature, low, high } = this.config;
    const all = Array.from({ length: outputs }, () => Array.from({ length: inputs }, () => true));
    const count = outputs * inputs;
    if (!gates) {
      return { z: constant(this.graph, new Array(count).fill(1), name), logits: undefined, inputs, live: all };
    }
    const logits = this.graph.parameter(`${name}.logits`, [count], { kind: 'normal', scale: 0.01 });
    const z = hardConcrete(logits, { temperature, low, high }, name);
    const values = known?.(logits.name);
    const isLive = (g: number): boolean => {
      return values === undefined || (high - low) / (1 + Math.exp(-(values[g] ?? 0))) + low > 0;
    };
    return { z, logits, inputs, live: all.map((row, b) => row.map((_, i) => isLive(b * inputs + i))) };
  }

  /** Whether a live path leads from a sub-network to a tower. */
  private isRead(layer: number, net: number): boolean {
    const route = this.routes[layer];
    const reads = (route?.live ?? []).some((inputs, b) => {
      const isTower = layer === this.routes.length - 1;
      return inputs[net] === true && (isTower || this.isRead(layer + 1, b));
    });
    return reads;
  }

  /** Σ over the live inputs of output b, in runs of neighbours. */
  private mixed(layer: number, b: number, { nets, outputs }: Subnets, width: number): Value {
    const route = this.routes[layer];
    const live = nets.filter((net) => route?.live[b]?.[net]);
    if (route === undefined || outputs === undefined || live.length === 0) {
      return zeroRows(this.graph, width, `routing.${layer}.${b}.none`);
    }
    const runs = live.reduce<{ readonly net: number; readonly at: number; length: number }[]>((found, net) => {
      const at = nets.indexOf(net);
      const last = found.at(-1);
      if (last !== undefined && last.net + last.length === net && last.at + last.length === at) last.length += 1;
      else found.push({ net, at, length: 1 });
      return found;
    }, []);
    const sums = runs.map(({ net, at, length }) => {
      const gates = slice(route.z, b * route.inputs + net, length);
      const values = slice(outputs, at * width, length * width);
      const given = this.config.transform
        ? transformed(values, width, (i) => `routing.${layer}.${b}.${net + i}`)
        : values;
      return weightedSum(gates, given, `routing.${layer}.${b}`);
    });
    return sums.reduce((sum, term) => add(sum, term, `routing.${layer}.${b}.sum`));
  }
}

/** Each value of [values · width] times the matrix of its connection, `<name>.weight` [width, width]. */
function transformed(values: Value, width: number, name: (i: number) => string): Value {
  const each = Array.from({ length: values.width / width }, (_, i) =>
    linear(slice(values, i * width, width), name(i), { out: width, bias: false }),
  );
  return concat(each, 'transformed');
}
