/** The inputs of the early stage's total value, from a log and a model's predictions. */
import type { TotalValueInputs } from '../auction/total-value.js';
import { ROLE_COLUMNS } from '../data/features.js';
import type { EncodedSet } from './encoded-set.js';
import type { Predictions } from './predictor.js';

/** The inputs that a log and a model's predictions give; null when the model has no task `ctr`. */
export function totalValueInputs(
  set: Pick<EncodedSet, 'float64' | 'uint32'>,
  predictions: Predictions,
): TotalValueInputs | null {
  const ctr = predictions.get('ctr');
  if (ctr === undefined) {
    return null;
  }
  return {
    ctr,
    cqs: predictions.get('cqs') ?? null,
    bid: set.float64(ROLE_COLUMNS.bid.column),
    objective: set.uint32(ROLE_COLUMNS.objective.column),
    cvr: set.float64(ROLE_COLUMNS.earlyCvr.column),
    vtr: set.float64(ROLE_COLUMNS.earlyVtr.column),
  };
}
