/**
 * The total value of an ad, by the predictions of the early or the final stage: TV = bid · EAR ⊕ f(CQS)
 * (arXiv 2307.11096 §2; framework.md §1.1).
 */
import type { AuctionConfig, QualityFunction } from '../config/types.js';
import { OBJECTIVES } from '../data/plan-columns.js';
import type { Numbers } from '../metrics/index.js';

const CLICK = OBJECTIVES.indexOf('click');
const POST_CLICK = OBJECTIVES.indexOf('postClick');
const POST_IMPRESSION = OBJECTIVES.indexOf('postImpression');

/** Columns of equal length; an absent one is null. */
export interface TotalValueInputs {
  readonly ctr: Numbers;
  /** Predicted CQS in raw units. */
  readonly cqs: Numbers | null;
  /** Absent: every bid is 1. */
  readonly bid: Numbers | null;
  /** Index into OBJECTIVES; absent: every row is `click`. */
  readonly objective: Numbers | null;
  /** Conversion rate after a click. */
  readonly cvr: Numbers | null;
  /** Conversion rate after an impression without a click. */
  readonly vtr: Numbers | null;
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
 * Total value of every row, NaN where an input is missing. EAR is pCTR for `click`, pCTR · pCVR for `postClick`, pVTR for
 * `postImpression`.
 */
export function totalValues(auction: AuctionConfig, inputs: TotalValueInputs): Float64Array {
  const { ctr, cqs, bid } = inputs;
  const values = new Float64Array(ctr.length);
  for (let row = 0; row < values.length; row += 1) {
    const action = (bid === null ? 1 : at(bid, row)) * actionRate(inputs, row);
    values[row] = cqs === null ? action : combine(auction, action, at(cqs, row));
  }
  return values;
}

function combine({ form, f }: AuctionConfig, action: number, cqs: number): number {
  const quality = adQuality(f, cqs);
  return form === 'additive' ? action + quality : action * quality;
}

/** The estimated action rate of a row. */
export function actionRate(inputs: TotalValueInputs, row: number): number {
  const objective = inputs.objective === null ? CLICK : inputs.objective[row];
  if (objective === POST_IMPRESSION) return at(inputs.vtr, row);
  const ctr = at(inputs.ctr, row);
  return objective === POST_CLICK ? ctr * at(inputs.cvr, row) : ctr;
}

function at(values: Numbers | null, row: number): number {
  return values?.[row] ?? Number.NaN;
}
