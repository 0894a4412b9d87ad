/** Heads on what all tasks share: a logit, or value, for each task, or one softmax for those of a chain of events. */
import type { Head } from '../config/models.js';
import { linear, type Value } from '../graph/index.js';
import type { Outputs } from './conversion.js';
import type { ModelTask } from './model.js';
import { tasksWithHeads } from './tasks.js';
import { type SoftmaxHead, softmaxHead } from './whole-chain.js';

/** `heads.<task>` [1, width of h]. */
export function linearHeads(h: Value, tasks: readonly ModelTask[]): Outputs {
  return h.graph.scope('heads', () => Object.fromEntries(tasks.map(({ name }) => [name, linear(h, name, { out: 1 })])));
}

/** Linear heads for all tasks, or for those that have no place in a chain, the others being one softmax. */
export function heads(h: Value, tasks: readonly ModelTask[], kind: Head): SoftmaxHead {
  const listed = tasksWithHeads(tasks);
  if (kind === 'logit') return { outputs: linearHeads(h, listed), terms: [] };
  const { outputs, terms } = softmaxHead(h, tasks);
  const others = listed.filter(({ place }) => place === undefined);
  return { outputs: { ...outputs, ...linearHeads(h, others) }, terms };
}
