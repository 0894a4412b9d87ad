/**
 * How pCTR, pCVR and pCTCVR, or pETR, pCTR and pETCTR, hang together: of the three tasks one has no head of its own and is made of the
 * others.
 */
import { PrerankError } from '../base/errors.js';
import { CHAINS, type Place } from '../config/types.js';
import type { Value } from '../graph/index.js';
import { logRatio, productLogit } from '../losses/product.js';
import type { ModelTask } from './model.js';
import { tasksWithHeads } from './tasks.js';

/** Outputs by name of the task, row [1] each. */
export type Outputs = Readonly<Record<string, Value>>;

const DERIVED = { separate: 'both', 'ctr+cvr(product)': 'both', 'ctr+ctcvr': 'next' } as const;

/** Modes in which at least two of the tasks have heads. */
export type HeadMode = keyof typeof DERIVED;

/** Tasks that need a head: all but the one that is made of the others. */
export function headsOf(mode: HeadMode, tasks: readonly ModelTask[]): ModelTask[] {
  return tasksWithHeads(tasks).filter(({ place }) => place !== DERIVED[mode]);
}

/** The heads' outputs and the derived one: the logit of pCTR · pCVR, or log(pCTCVR / pCTR). */
export function withDerived(mode: HeadMode, tasks: readonly ModelTask[], heads: Outputs): Outputs {
  const derived = tasks.find(({ place }) => place === DERIVED[mode]);
  if (derived === undefined) return heads;
  const chain: Readonly<Partial<Record<Place, string>>> | undefined = CHAINS.find(
    (names) => names[DERIVED[mode]] === derived.name,
  );
  const output = (place: Place): Value => {
    const value = heads[tasks.find((task) => task.place === place)?.name ?? ''];
    if (value === undefined) {
      throw new PrerankError(
        'CONFIG_INVALID',
        `task ${derived.name} is made of others: name a task ${chain?.[place] ?? place}, too`,
        {
          path: 'tasks',
        },
      );
    }
    return value;
  };
  const made =
    derived.place === 'both'
      ? productLogit(output('first'), output('next'))
      : logRatio(output('both'), output('first'));
  return { ...heads, [derived.name]: made };
}
