/** Linear heads: one logit, or value, per task on what all of them share. */
import { linear, type Value } from '../graph/index.js';
import type { Outputs } from './conversion.js';
import type { ModelTask } from './model.js';

/** `heads.<task>` [1, width of h]. */
export function linearHeads(h: Value, tasks: readonly ModelTask[]): Outputs {
  return h.graph.scope('heads', () => Object.fromEntries(tasks.map(({ name }) => [name, linear(h, name, { out: 1 })])));
}
