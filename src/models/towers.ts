/** A tower per task: the MLP from what a trunk gives the task to its logit. */
import type { LayersConfig } from '../config/models.js';
import { type Graph, mlp, type Value } from '../graph/index.js';
import type { Outputs } from './conversion.js';
import type { ModelTask } from './model.js';

/** `towers.<task>.<i>` on `input(task)`, widths [..hidden, 1]. */
export function towers(
  graph: Graph,
  tasks: readonly ModelTask[],
  { hidden, dropout }: LayersConfig,
  input: (task: ModelTask) => Value,
): Outputs {
  const given = tasks.map((task) => [task.name, input(task)] as const);
  const sizes = [...hidden, 1];
  return graph.scope('towers', () =>
    Object.fromEntries(given.map(([name, x]) => [name, mlp(x, name, { sizes, dropout })])),
  );
}
