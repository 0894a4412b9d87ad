/** Calibration: predicted over observed positives, and expected calibration error. */
import { binarySums } from './ne.js';
import type { TaskSums } from './sums.js';
import {
  at,
  defined,
  type MetricValue,
  type Numbers,
  type RowOptions,
  ratio,
  requireK,
  requireUnit,
  undefinedBecause,
  usedRows,
  weightAt,
  withSkipped,
} from './value.js';

export interface EceOptions extends RowOptions {
  /** Bins of equal mass; default 20. */
  readonly bins?: number;
}

/** Σ w·p / Σ w·y. */
export function calibrationOfSums(sums: TaskSums): MetricValue {
  return ratio(sums.prediction, sums.target, 'no positive labels');
}

/** Σ w·p / Σ w·y of probabilities; 1 is perfect, below 1 predicts too little. */
export function calibration(probabilities: Numbers, labels: Numbers, options: RowOptions = {}): MetricValue {
  const { sums, skipped } = binarySums('calibration', probabilities, labels, options);
  return withSkipped(calibrationOfSums(sums), skipped);
}

/**
 * Expected calibration error: Σ_b (W_b / W) |mean p − mean y| over bins of equal mass, cut after sorting by p;
 * rows with equal p stay in one bin (the one that the first of them falls into).
 */
export function expectedCalibrationError(
  probabilities: Numbers,
  labels: Numbers,
  options: EceOptions = {},
): MetricValue {
  const bins = options.bins ?? 20;
  requireK('ece', 'bins', bins);
  const { rows, skipped } = usedRows('ece', { probabilities, labels }, options);
  requireUnit('ece', 'the label', labels, rows);
  requireUnit('ece', 'the probability', probabilities, rows);
  const sorted = Uint32Array.from(rows).sort((a, b) => at(probabilities, a) - at(probabilities, b) || a - b);
  const total = sorted.reduce((sum, row) => sum + weightAt(options.weights, row), 0);
  if (total === 0) {
    return withSkipped(undefinedBecause('no rows'), skipped);
  }
  const gaps = new Float64Array(bins);
  let below = 0;
  let bin = 0;
  for (let i = 0; i < sorted.length; i += 1) {
    const row = at(sorted, i);
    const w = weightAt(options.weights, row);
    if (i === 0 || at(probabilities, row) !== at(probabilities, at(sorted, i - 1))) {
      bin = Math.min(bins - 1, Math.floor((below / total) * bins + 1e-9));
    }
    gaps[bin] = at(gaps, bin) + w * (at(probabilities, row) - at(labels, row));
    below += w;
  }
  return withSkipped(defined(gaps.reduce((sum, gap) => sum + Math.abs(gap), 0) / total), skipped);
}
