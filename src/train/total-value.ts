/** The early stage's total value of an ad: TV = bid · EAR ⊕ f(CQS) (arXiv 2307.11096 §2; framework.md §1.1). */
import type { AuctionConfig, QualityFunction } from '../config/types.js';
import { ROLE_COLUMNS } from '../data/features.js';
import { OBJECTIVES } from '../data/plan-columns.js';
import type { EncodedSet } from './encoded-set.js';
import type { Predictions } from './predictor.js';

/** Columns of equal length; an absent one is null. */
export interface TotalValueInputs {
  readonly ctr: Float64Array;
  /** Predicted CQS in raw units. */
  readonly cqs: Float64Array | null;
  /** Absent: every bid is 1. */
  readonly bid: Float64Array | null;
  /** Index into OBJECTIVES; absent: every row is `click`. */
  readonly objective: Uint32Array | null;
  readonly earlyCvr: Float64Array | null;
  readonly earlyVtr: Float64Array | null;
}

/** AdQuality of a CQS. */
export function adQuality(f: QualityFunction, cqs: number): number {
  switch (f.kind) {
    case 'identity':
      return cqs;
    case 'affine':
      return f.scale * cqs + f.shift;
    case 'clamp':
      return Math.min(f.max, Math.max(f.min, cqs));
    case 'piecewiseLinear':
      return interpolate(f.knots, cqs);
  }
}

/** Linear between knots, constant outside them. */
function interpolate(knots: readonly (readonly [number, number])[], x: number): number {
  const right = knots.findIndex(([knot]) => x <= knot);
  const [firstX, firstY] = knots[right === -1 ? knots.length - 1 : right] ?? [0, 0];
  const before = right > 0 ? knots[right - 1] : undefined;
  if (before === undefined) {
    return firstY;
  }
  const [beforeX, beforeY] = before;
  return beforeY + ((firstY - beforeY) * (x - beforeX)) / (firstX - beforeX);
}

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
    earlyCvr: set.float64(ROLE_COLUMNS.earlyCvr.column),
    earlyVtr: set.float64(ROLE_COLUMNS.earlyVtr.column),
  };
}

/**
 * Total value of every row, NaN where an input is missing. EAR is pCTR for `click`, pCTR · earlyCvr for `postClick`,
 * earlyVtr for `postImpression`.
 */
export function earlyTotalValue(auction: AuctionConfig, inputs: TotalValueInputs): Float64Array {
  const { ctr, cqs, bid } = inputs;
  return Float64Array.from(ctr, (_, row) => {
    const action = (bid === null ? 1 : at(bid, row)) * actionRate(inputs, row);
    if (cqs === null) {
      return action;
    }
    const quality = adQuality(auction.f, at(cqs, row));
    return auction.form === 'additive' ? action + quality : action * quality;
  });
}

function actionRate(inputs: TotalValueInputs, row: number): number {
  switch (OBJECTIVES[inputs.objective?.[row] ?? 0]) {
    case 'postClick':
      return at(inputs.ctr, row) * at(inputs.earlyCvr, row);
    case 'postImpression':
      return at(inputs.earlyVtr, row);
    default:
      return at(inputs.ctr, row);
  }
}

function at(values: Float64Array | null, row: number): number {
  return values?.[row] ?? Number.NaN;
}

/** Which role a row lacks for its total value; null when it lacks none. */
export function missingInput(inputs: TotalValueInputs, row: number): 'bid' | 'earlyCvr' | 'earlyVtr' | null {
  if (inputs.bid !== null && Number.isNaN(at(inputs.bid, row))) {
    return 'bid';
  }
  const objective = OBJECTIVES[inputs.objective?.[row] ?? 0];
  if (objective === 'postClick' && Number.isNaN(at(inputs.earlyCvr, row))) {
    return 'earlyCvr';
  }
  return objective === 'postImpression' && Number.isNaN(at(inputs.earlyVtr, row)) ? 'earlyVtr' : null;
}
