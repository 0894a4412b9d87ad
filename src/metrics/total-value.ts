/** Total-value difference between stages. */
import { at, type MetricValue, type Numbers, type RowOptions, ratio, usedRows, withSkipped } from './value.js';

/**
 * Σ|TV_final − TV_early| / Σ|TV_final| over all final-stage candidates: one ratio of sums. Undefined when the
 * denominator is 0.
 */
export function totalValueDifference(
  final: Numbers,
  early: Numbers,
  options: Omit<RowOptions, 'weights'> = {},
): MetricValue {
  const { rows, skipped } = usedRows('tvd', { final, early }, options);
  let difference = 0;
  let size = 0;
  for (const row of rows) {
    difference += Math.abs(at(final, row) - at(early, row));
    size += Math.abs(at(final, row));
  }
  return withSkipped(ratio(difference, size, 'the final total values are all 0'), skipped);
}
