/**
 * How pCTR, pCVR and pCTCVR hang together: of the three tasks one has no head of its own and is made of the others.
 */
import { PrerankError } from '../base/errors.js';
import type { TaskMode } from '../config/models.js';
import type { Value } from '../graph/index.js';
import { logRatio, productLogit } from '../losses/product.js';
import type { ModelTask } from './model.js';
import { tasksWithHeads } from './tasks.js';

/** Outputs by name of the task, row [1] each. */
export type Outputs = Readonly<Record<string, Value>>;

const DERIVED = { separate: 'ctcvr', 'ctr+cvr(product)': 'ctcvr', 'ctr+ctcvr': 'cvr' } as const;

/** Tasks that need a head: all but the one that is made of the others. */
export function headsOf(mode: TaskMode, tasks: readonly ModelTask[]): ModelTask[] {
  return tasksWithHeads(tasks).filter(({ place }) => place !== DERIVED[mode]);
}

/** The heads' outputs and the derived one: the logit of pCTR · pCVR, or log(pCTCVR / pCTR). */
export function withDerived(mode: TaskMode, tasks: readonly ModelTask[], heads: Outputs): Outputs {
  const derived = tasks.find(({ place }) => place === DERIVED[mode]);
  if (derived === undefined) return heads;
  const output = (place: ModelTask['place']): Value => {
    const value = heads[tasks.find((task) => task.place === place)?.name ?? ''];
    if (value === undefined) {
      throw new PrerankError('CONFIG_INVALID', `task ${derived.name} is made of others: name a task ${place}, too`, {
        path: 'tasks',
      });
    }
    return value;
  };
  const made =
    derived.place === 'ctcvr' ? productLogit(output('ctr'), output('cvr')) : logRatio(output('ctcvr'), output('ctr'));
  return { ...heads, [derived.name]: made };
}
