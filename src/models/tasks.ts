/** Tasks of a model: which have logits of their own. */
import { PrerankError } from '../base/errors.js';
import type { ModelTask } from './model.js';

/** The place of a task among the losses of a plan. */
export function taskIndex(tasks: readonly ModelTask[], task: ModelTask): number {
  return tasks.filter(({ lossless }) => !lossless).indexOf(task);
}

/** Tasks with a head; the others train on the logits of one of these. */
export function tasksWithHeads(tasks: readonly ModelTask[]): ModelTask[] {
  if (tasks.length === 0) {
    throw new PrerankError('CONFIG_INVALID', 'the model has no task; name at least one under tasks', { path: 'tasks' });
  }
  const heads = tasks.filter((task) => task.logitsOf === undefined);
  for (const { name, logitsOf } of tasks) {
    if (logitsOf !== undefined && !heads.some((task) => task.name === logitsOf)) {
      throw new PrerankError(
        'CONFIG_INVALID',
        `task "${name}" trains on the logits of "${logitsOf}", which has no head; name a task with its own head`,
        { path: `tasks.${name}` },
      );
    }
  }
  return heads;
}
