/** Metrics as functions of sums over requests: what a bootstrap over requests takes. */
import { neOfSums } from './ne.js';
import { emptySums } from './sums.js';

/** A metric as Σ numerator / Σ denominator over requests. A mean has denominators of 1, and 0 where a request is skipped. */
export interface RequestRatio {
  readonly numerator: Float64Array;
  readonly denominator: Float64Array;
}

/** A metric as any function of several columns' sums over requests. */
export interface RequestStatistic {
  /** [requests] each. */
  readonly columns: readonly Float64Array[];
  /** The metric of the columns' sums, in their order; NaN where it is undefined. */
  readonly value: (sums: Float64Array) => number;
}

export type RequestMetric = RequestRatio | RequestStatistic;

/** Per-request sums of a binary task's weighted rows: of the log loss, the weight and the label; 0 without such rows. */
export interface RequestLosses {
  readonly loss: Float64Array;
  readonly weight: Float64Array;
  readonly target: Float64Array;
}

/** Normalised entropy; undefined where the mean label is 0 or 1. */
export function requestNe({ loss, weight, target }: RequestLosses): RequestStatistic {
  return {
    columns: [loss, weight, target],
    value: ([lossSum = 0, weightSum = 0, targetSum = 0]) =>
      neOfSums({ ...emptySums(), loss: lossSum, weight: weightSum, target: targetSum }).value ?? Number.NaN,
  };
}

/** The same metric as a statistic: a ratio is undefined where its denominator is 0. */
export function statisticOf(metric: RequestMetric): RequestStatistic {
  if ('columns' in metric) {
    return metric;
  }
  const { numerator, denominator } = metric;
  return {
    columns: [numerator, denominator],
    value: ([above = 0, below = 0]) => (below === 0 ? Number.NaN : above / below),
  };
}
