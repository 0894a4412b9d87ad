/** The early stage's total value of an ad: TV = bid · EAR ⊕ f(CQS) (arXiv 2307.11096 §2; framework.md §1.1). */
import { PrerankError } from '../base/errors.js';
import type { AuctionConfig, QualityFunction } from '../config/types.js';

/** Codes of `role.objective`. */
export const OBJECTIVES = ['click', 'postClick', 'postImpression'] as const;

/** Columns of equal length; an absent one is null. */
export interface TotalValueInputs {
  readonly ctr: Float64Array;
  /** Predicted CQS in raw units. */
  readonly cqs: Float64Array | null;
  readonly bid: Float64Array;
  /** Index into OBJECTIVES; absent: every row is `click`. */
  readonly objective: Uint8Array | null;
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

/**
 * Total value of every row. EAR is pCTR for `click`, pCTR · earlyCvr for `postClick`, earlyVtr for `postImpression`.
 * @throws METRIC_INPUT naming the row and column when a needed input is not finite.
 */
export function earlyTotalValue(auction: AuctionConfig, inputs: TotalValueInputs): Float64Array {
  const { ctr, cqs, bid } = inputs;
  const values = new Float64Array(ctr.length);
  for (let row = 0; row < values.length; row += 1) {
    const action = needed(bid, row, 'bid') * actionRate(inputs, row);
    const quality = cqs === null ? null : adQuality(auction.f, needed(cqs, row, 'cqs'));
    if (quality === null) {
      values[row] = action;
    } else {
      values[row] = auction.form === 'additive' ? action + quality : action * quality;
    }
  }
  return values;
}

function actionRate(inputs: TotalValueInputs, row: number): number {
  switch (OBJECTIVES[inputs.objective?.[row] ?? 0]) {
    case 'postClick':
      return needed(inputs.ctr, row, 'ctr') * needed(inputs.earlyCvr, row, 'earlyCvr');
    case 'postImpression':
      return needed(inputs.earlyVtr, row, 'earlyVtr');
    default:
      return needed(inputs.ctr, row, 'ctr');
  }
}

function needed(values: Float64Array | null, row: number, column: string): number {
  const value = values?.[row];
  if (value === undefined || !Number.isFinite(value)) {
    const what = value === undefined ? 'the log has no such column' : `it is ${value}`;
    throw new PrerankError('METRIC_INPUT', `the early total value needs ${column}: ${what}`, { row, column });
  }
  return value;
}
