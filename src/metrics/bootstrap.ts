/** Bootstrap over requests: how far metrics could be off had other requests been logged (metrics.md, general rules). */
import { percentile } from './percentile.js';
import { type RequestMetric, statisticOf } from './request-metric.js';
import { type BootstrapOptions, requestsOf, resampledSums } from './resamples.js';

/** Bounds of a 95 % interval; null where a metric is undefined on a resample. */
export interface Interval {
  readonly low: number | null;
  readonly high: number | null;
}

const LOW = 0.025;
const HIGH = 0.975;

/**
 * Percentile intervals of metrics over resamples of the requests with replacement. Every metric sees the same
 * resamples, so that metrics of two arms over the same requests are paired. The same seed gives the same intervals.
 */
export function bootstrapIntervals(
  metrics: Readonly<Record<string, RequestMetric>>,
  options: BootstrapOptions,
): Record<string, Interval> {
  const values = resampledValues(Object.values(metrics), options);
  return Object.fromEntries(Object.keys(metrics).map((name, m) => [name, interval(values[m] ?? new Float64Array())]));
}

/** Every metric on every resample, [resamples] each; NaN where it is undefined. */
export function resampledValues(metrics: readonly RequestMetric[], options: BootstrapOptions): Float64Array[] {
  const statistics = metrics.map(statisticOf);
  const sums = resampledSums(
    statistics.flatMap(({ columns }) => columns),
    options,
  );
  return statistics.map(({ columns, value }) => {
    const resampled = columns.map((column) => sums.get(column) ?? new Float64Array());
    const of = new Float64Array(columns.length);
    return Float64Array.from({ length: options.resamples }, (_, resample) => {
      for (const [c, values] of resampled.entries()) {
        of[c] = values[resample] ?? Number.NaN;
      }
      return value(of);
    });
  });
}

/** The metric over all requests; NaN where it is undefined. */
export function metricValue(metric: RequestMetric): number {
  const { columns, value } = statisticOf(metric);
  requestsOf(columns);
  return value(Float64Array.from(columns, (column) => column.reduce((sum, x) => sum + x, 0)));
}

/** The middle 95 % of values of resamples; null when one is undefined. */
export function interval(values: Float64Array): Interval {
  if (values.length === 0 || !values.every(Number.isFinite)) {
    return { low: null, high: null };
  }
  return { low: percentile(values, LOW), high: percentile(values, HIGH) };
}
