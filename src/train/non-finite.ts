/** The error of a step that was refused because a loss or a gradient is not finite. */
import { PrerankError } from '../base/errors.js';
import type { RunResult } from '../runtime/native.js';

const SHOWN_ROWS = 5;

export interface RefusedRun {
  /** Folder of the run. */
  readonly root: string;
  /** Names of the tasks, in the order of the plan. */
  readonly tasks: readonly string[];
  /** Path of the last checkpoint, or null. */
  readonly checkpoint: string | null;
}

/** NON_FINITE with the step, the tasks and first rows where they are known, and what to do. */
export function nonFiniteError(found: NonNullable<RunResult['nonFinite']>, run: RefusedRun): PrerankError {
  const names = found.tasks.map((index) => run.tasks[index] ?? String(index));
  const rows = found.rows.slice(0, SHOWN_ROWS);
  const what = names.length > 0 ? `the loss of ${names.join(', ')}` : 'a gradient (every loss is finite)';
  const where = rows.length > 0 ? ` (first rows of the training data: ${rows.join(', ')})` : '';
  const kept =
    run.checkpoint === null ? 'no checkpoint was written yet' : `the last good checkpoint is ${run.checkpoint}`;
  const look = rows.length > 0 ? ', or look at these rows' : '';
  return new PrerankError(
    'NON_FINITE',
    `${what} is not finite at step ${found.step}${where}; ${kept}. ` +
      `Lower the learning rates or clip gradients (training.clip.norm)${look}`,
    { file: run.root, row: rows[0] },
  );
}
