/** What a set of measured times says, and how sure it is. */

/** Times in seconds, or whatever the samples were in. `low` and `high` bound the median with 95 % confidence. */
export interface Summary {
  readonly samples: number;
  readonly best: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly low: number;
  readonly high: number;
}

/** Quantile of ascending values by linear interpolation. */
export function quantile(sorted: ArrayLike<number>, fraction: number): number {
  const at = (sorted.length - 1) * fraction;
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? below;
  return below + (above - below) * (at - Math.floor(at));
}

const Z_95 = 1.959964;

/**
 * Summary of one or more samples. The interval of the median is that of order statistics: the number of samples below
 * the true median is binomial(n, ½), here by its normal approximation; it assumes nothing about how times are distributed.
 */
export function summarize(samples: ArrayLike<number>): Summary {
  const sorted = Float64Array.from(samples).sort();
  const count = sorted.length;
  const half = (Z_95 * Math.sqrt(count)) / 2;
  const at = (index: number): number => sorted[Math.min(Math.max(Math.round(index), 0), count - 1)] ?? Number.NaN;
  return {
    samples: count,
    best: at(0),
    p50: quantile(sorted, 0.5),
    p90: quantile(sorted, 0.9),
    p99: quantile(sorted, 0.99),
    low: at(Math.floor(count / 2 - half)),
    high: at(Math.ceil(count / 2 + half)),
  };
}

export function median(samples: ArrayLike<number>): number {
  return quantile(Float64Array.from(samples).sort(), 0.5);
}

/** What was measured in turn, round by round, one side over the other. */
export interface RoundRatio {
  /** Median of the rounds' ratios, and their range. */
  readonly ratio: number;
  readonly ratioLow: number;
  readonly ratioHigh: number;
}

/** @param over one value a round, as many as `under`. */
export function roundRatio(over: readonly number[], under: readonly number[]): RoundRatio {
  const ratios = over.map((value, round) => value / (under[round] ?? Number.NaN));
  return { ratio: median(ratios), ratioLow: Math.min(...ratios), ratioHigh: Math.max(...ratios) };
}
