/** The backward pass of several tasks: one for the sum of their losses, or one for each where they are weighed later. */
import type { BalancingKind, GradientNorm } from '../runtime/plan.js';
import { gradients as differentiate, type Seed } from './autodiff.js';
import type { Graph, Value } from './graph.js';
import { copyOp } from './ops/copy.js';
import { addOp } from './ops/elementwise.js';

/** How a plan weighs its tasks. */
export interface BalancingRequest {
  readonly kind: BalancingKind;
  /** mgda; default none. */
  readonly normalisation?: GradientNorm;
  /** Keeps the tasks' gradients of shared parameters apart where the kind does not need them so, for their dot products. */
  readonly apart?: boolean;
}

/** A gradient by seed; undefined where it does not depend on it. */
export type Parts = readonly (Value | undefined)[];

export interface TaskGradients {
  /** dL/d(target) as the update reads it. */
  readonly gradients: ReadonlyMap<Value, Value>;
  /** Of shared parameters: the first part also receives the combination. */
  readonly dense: readonly Parts[];
  /** Of shared lookups, where they are combined as the parameters' are. */
  readonly pooled: readonly Parts[];
}

/** The gradients of the summed losses. */
export function together(graph: Graph, seeds: readonly Seed[], targets: readonly Value[]): TaskGradients {
  return { gradients: differentiate(graph, seeds, targets), dense: [], pooled: [] };
}

/**
 * A backward pass for each seed. A target that one seed reaches has that gradient; parameters that several reach have
 * a gradient each. Row values have their sum, unless `pooled`, then a gradient each, too.
 */
export function byTask(
  graph: Graph,
  seeds: readonly Seed[],
  targets: readonly Value[],
  pooled: boolean,
): TaskGradients {
  const passes = seeds.map((seed) => differentiate(graph, [seed], targets));
  const gradients = new Map<Value, Value>();
  const found: { dense: Parts[]; pooled: Parts[] } = { dense: [], pooled: [] };
  for (const target of targets) {
    const parts = passes.map((pass) => pass.get(target));
    const [first, ...others] = parts.filter((part) => part !== undefined);
    if (first === undefined) continue;
    if (others.length === 0) {
      gradients.set(target, first);
    } else if (target.domain === 'none') {
      gradients.set(target, first);
      found.dense.push(parts);
    } else if (pooled) {
      // Copies own their memory: gradients that pass unchanged to several lookups are combined once in each.
      const owned = parts.map((part) => (part === undefined ? undefined : copyOf(graph, part)));
      gradients.set(target, owned.find((part) => part !== undefined) ?? first);
      found.pooled.push(owned);
    } else {
      gradients.set(
        target,
        others.reduce((sum, part) => append(graph, addOp, [sum, part]), first),
      );
    }
  }
  return { gradients, ...found };
}

function copyOf(graph: Graph, value: Value): Value {
  return append(graph, copyOp, [value]);
}

function append(graph: Graph, definition: typeof copyOp, inputs: readonly [Value, ...Value[]]): Value {
  return graph.append(definition, inputs, { layer: inputs[0].name, backward: true }).output;
}
