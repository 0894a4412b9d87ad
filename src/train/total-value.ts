/** The early stage's total value of the rows of a log, from a model's predictions. */
import type { TotalValueInputs } from '../auction/total-value.js';
import type { AuctionConfig } from '../config/types.js';
import { ROLE_COLUMNS, type Role } from '../data/features.js';
import type { TotalValueSpec } from '../runtime/native.js';
import type { EncodedSet } from './encoded-set.js';
import { type Predictions, readPredictions } from './predictor.js';

/** Copies of the inputs that a log and a model's predictions give; null when the model has no task `ctr`. */
export function totalValueInputs(
  set: Pick<EncodedSet, 'columns' | 'column'>,
  predictions: Predictions,
): TotalValueInputs | null {
  const ctr = predictions.get('ctr');
  if (ctr === undefined) {
    return null;
  }
  const cqs = predictions.get('cqs');
  return {
    ctr: readPredictions(ctr),
    cqs: cqs === undefined ? null : readPredictions(cqs),
    ...loggedInputs(set),
  };
}

/** Copies of the inputs that come from the log; null where it has none. */
export function loggedInputs(set: Pick<EncodedSet, 'columns' | 'column'>): Omit<TotalValueInputs, 'ctr' | 'cqs'> {
  const column = (role: Role): Float32Array | Uint32Array | Uint8Array | null => {
    const name = ROLE_COLUMNS[role].column;
    return set.columns.has(name) ? set.column(name) : null;
  };
  return {
    bid: column('bid'),
    objective: column('objective'),
    cvr: column('earlyCvr'),
    vtr: column('earlyVtr'),
  };
}

/** The same total value for the native core, which reads the columns where they are mapped. */
export function totalValueSpec(
  auction: AuctionConfig,
  columns: ReadonlySet<string>,
  predictions: Predictions,
): TotalValueSpec | null {
  const ctr = predictions.get('ctr');
  if (ctr === undefined) {
    return null;
  }
  const present = (role: Role): string | undefined => {
    const { column } = ROLE_COLUMNS[role];
    return columns.has(column) ? column : undefined;
  };
  return {
    ctr,
    quality: predictions.get('cqs'),
    bid: present('bid'),
    objective: present('objective'),
    clickRate: present('earlyCvr'),
    viewRate: present('earlyVtr'),
    form: auction.form,
    f: auction.f,
  };
}
