/** Paired comparison of two arms over the same requests: differences with bootstrap intervals and p-values. */
import { interval, metricValue, resampledValues } from './bootstrap.js';
import type { RequestMetric } from './request-metric.js';
import type { BootstrapOptions } from './resamples.js';
import { MetricInputError } from './value.js';

/** One metric of two arms, a before b. What is undefined is null. */
export interface PairedDifference {
  readonly metric: string;
  readonly a: number | null;
  readonly b: number | null;
  /** b − a, with its 95 % interval. */
  readonly difference: number | null;
  readonly low: number | null;
  readonly high: number | null;
  /** b / a − 1, with its 95 % interval; null where a is 0. */
  readonly relative: number | null;
  readonly relativeLow: number | null;
  readonly relativeHigh: number | null;
  /**
   * Two-sided: twice the smaller share of resamples with a difference of at most, or at least, 0, where the data
   * themselves count as one more resample on either side; at most 1, at least 2 / (resamples + 1).
   */
  readonly p: number | null;
}

type Metrics = Readonly<Record<string, RequestMetric>>;

/**
 * Compares the metrics of two arms over the same requests, in the same order: every resample of the requests gives one
 * difference of each metric, so that what the arms have in common cancels out. Equal arms differ by exactly 0 with p = 1.
 * @throws MetricInputError when the arms have other metrics or numbers of requests, or without a request.
 */
export function pairedDifferences(a: Metrics, b: Metrics, options: BootstrapOptions): PairedDifference[] {
  const names = Object.keys(a);
  const others = Object.keys(b);
  const alone = [...names.filter((name) => !(name in b)), ...others.filter((name) => !(name in a))];
  if (alone.length > 0) {
    throw new MetricInputError('paired comparison', `only one arm has ${alone.join(', ')}`);
  }
  const pairs = names.map((metric) => ({ metric, a: a[metric] as RequestMetric, b: b[metric] as RequestMetric }));
  const resampled = resampledValues(
    pairs.flatMap((pair) => [pair.a, pair.b]),
    options,
  );
  return pairs.map((pair, i) =>
    differenceOf(pair.metric, metricValue(pair.a), metricValue(pair.b), {
      a: resampled[2 * i] ?? new Float64Array(),
      b: resampled[2 * i + 1] ?? new Float64Array(),
    }),
  );
}

function differenceOf(
  metric: string,
  a: number,
  b: number,
  resampled: { readonly a: Float64Array; readonly b: Float64Array },
): PairedDifference {
  const differences = resampled.b.map((value, i) => value - (resampled.a[i] ?? Number.NaN));
  const relatives = resampled.b.map((value, i) => relativeTo(resampled.a[i] ?? Number.NaN, value));
  const relative = interval(relatives);
  return {
    metric,
    a: orNull(a),
    b: orNull(b),
    difference: orNull(b - a),
    ...interval(differences),
    relative: orNull(relativeTo(a, b)),
    relativeLow: relative.low,
    relativeHigh: relative.high,
    p: twoSided(differences),
  };
}

function relativeTo(a: number, b: number): number {
  return a === 0 ? Number.NaN : b / a - 1;
}

/** Two-sided p-value of differences of resamples (`PairedDifference.p`); null when one is undefined. */
export function twoSided(differences: Float64Array): number | null {
  if (!differences.every(Number.isFinite)) {
    return null;
  }
  const share = (count: number): number => (count + 1) / (differences.length + 1);
  const below = differences.reduce((count, value) => count + (value <= 0 ? 1 : 0), 0);
  const above = differences.reduce((count, value) => count + (value >= 0 ? 1 : 0), 0);
  return Math.min(1, 2 * Math.min(share(below), share(above)));
}

function orNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
