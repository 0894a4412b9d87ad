/** Percentiles of measured values. */
import { MetricInputError, type Numbers } from './value.js';

/**
 * Nearest-rank percentile: the smallest value with at least a share q of the values at or below it,
 * sorted[ceil(q·n) − 1]. TP99 of latencies is `percentile(latencies, 0.99)`.
 * @throws MetricInputError for no values, a NaN among them, or q outside (0, 1].
 */
export function percentile(values: Numbers, q: number): number {
  if (!(q > 0 && q <= 1)) {
    throw new MetricInputError('percentile', `q must be in (0, 1], got ${q}`);
  }
  const sorted = Float64Array.from(values).sort();
  // sort() puts NaN last.
  if (Number.isNaN(sorted.at(-1) ?? Number.NaN)) {
    throw new MetricInputError('percentile', sorted.length === 0 ? 'there are no values' : 'a value is NaN');
  }
  // Products such as 0.07 · 100 are a little above the whole number that is meant.
  const rank = Math.ceil(q * sorted.length - 1e-9);
  return sorted[Math.max(rank, 1) - 1] ?? Number.NaN;
}
