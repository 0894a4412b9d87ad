/**
 * A chain of two events as one softmax (ECM, CIKM 2022): the classes are both events, the first one only, and neither; the
 * loss is their cross entropy. Tasks of the chain read their logits off the classes and have no loss of their own.
 */
import { PrerankError } from '../base/errors.js';
import type { Place } from '../config/types.js';
import { concat, crossEntropy, linear, logSumExp, slice, stopGradient, sub, type Value } from '../graph/index.js';
import type { Outputs } from './conversion.js';
import type { LossTerm } from './define.js';
import type { ModelTask } from './model.js';
import { sampledClasses } from './sampled.js';
import { taskIndex } from './tasks.js';

const CLASSES = ['both', 'first', 'neither'] as const;

export interface SoftmaxHead {
  readonly outputs: Outputs;
  readonly terms: readonly LossTerm[];
}

/** `heads.softmax.<class>` [1, width of h], for the tasks that have a place in the chain. */
export function softmaxHead(h: Value, tasks: readonly ModelTask[]): SoftmaxHead {
  const named = (place: Place): ModelTask => {
    const task = tasks.find((candidate) => candidate.place === place);
    if (task !== undefined) return task;
    throw new PrerankError(
      'CONFIG_INVALID',
      'a softmax over a chain of events needs their tasks: name etr and etctr, or ctr and ctcvr',
      { path: 'tasks' },
    );
  };
  const [first, both] = [named('first'), named('both')];
  const logits = h.graph.scope('heads', () =>
    concat(
      CLASSES.map((name) => linear(h, `softmax.${name}`, { out: 1 })),
      'softmax',
    ),
  );
  const read = chainLogits(logits);
  const outputs = tasks.flatMap(({ name, place }): [string, Value][] => {
    return place === undefined ? [] : [[name, stopGradient(read[place](), name)]];
  });
  const events = [taskIndex(tasks, both), taskIndex(tasks, first)];
  const value = crossEntropy(sampledClasses(logits, first, both), events, 'softmax_loss');
  return {
    outputs: Object.fromEntries(outputs),
    terms: [{ name: 'softmax', weight: 1, value, rows: first.name }],
  };
}

/** Logits of the probabilities that a softmax gives the chain, by place. */
function chainLogits(z: Value): Readonly<Record<Place, () => Value>> {
  const [both, first, neither] = CLASSES.map((_, i) => slice(z, i, 1)) as [Value, Value, Value];
  const either = (a: Value, b: Value): Value => logSumExp(concat([a, b], 'either'));
  return {
    both: () => sub(both, either(first, neither)),
    first: () => sub(either(both, first), neither),
    next: () => sub(both, first),
    neither: () => sub(neither, either(both, first)),
  };
}
