/** The metrics of one task over the rows that carry its label (metrics.md). */
import type { MetricName } from '../config/types.js';
import type { NativeMetrics } from '../runtime/native.js';

/** Scores and labels of equal length, with row weights and groups where the log has them. */
export interface Judged {
  readonly scores: Float64Array;
  readonly labels: Float64Array;
  readonly weights: Float64Array | null;
  readonly groups: Uint32Array | null;
}

type Values = Record<string, number | null>;

const MIN_PROBABILITY = 1e-15;

function orNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** Σ w · value(row) over the rows. */
function weightedSum({ labels, weights }: Judged, value: (row: number) => number): number {
  let sum = 0;
  for (let row = 0; row < labels.length; row += 1) {
    sum += (weights?.[row] ?? 1) * value(row);
  }
  return sum;
}

function at(values: Float64Array, row: number): number {
  return values[row] ?? Number.NaN;
}

/** −y log p − (1 − y) log(1 − p), p clipped to [1e-15, 1 − 1e-15]. */
function crossEntropy(label: number, probability: number): number {
  const p = Math.min(1 - MIN_PROBABILITY, Math.max(MIN_PROBABILITY, probability));
  return -label * Math.log(p) - (1 - label) * Math.log1p(-p);
}

/** Σ w p / Σ w y; null without positive labels. */
export function weightedCalibration(judged: Judged): number | null {
  const { scores, labels } = judged;
  return orNull(weightedSum(judged, (row) => at(scores, row)) / weightedSum(judged, (row) => at(labels, row)));
}

/** Metrics of probabilities against labels in [0, 1]. */
export async function probabilityMetrics(
  judged: Judged,
  wanted: ReadonlySet<MetricName>,
  native: NativeMetrics,
): Promise<Values> {
  const { scores, labels, weights, groups } = judged;
  const values: Values = {};
  const weight = weightedSum(judged, () => 1);
  const logLoss = weightedSum(judged, (row) => crossEntropy(at(labels, row), at(scores, row))) / weight;
  if (wanted.has('ne')) {
    const base = weightedSum(judged, (row) => at(labels, row)) / weight;
    values.ne = base > 0 && base < 1 ? orNull(logLoss / crossEntropy(base, base)) : null;
  }
  if (wanted.has('auc')) {
    values.auc = orNull(await native.auc(scores, labels, weights));
  }
  if (wanted.has('gauc') && groups !== null) {
    const { weightedSum: sum, weight: mass } = await native.gauc(scores, labels, weights, groups);
    values.gauc = orNull(sum / mass);
  }
  if (wanted.has('logLoss')) {
    values.logLoss = orNull(logLoss);
  }
  if (wanted.has('calibration')) {
    values.calibration = weightedCalibration(judged);
  }
  return values;
}

/** Metrics of values against labels in the same units. */
export function valueMetrics(judged: Judged, wanted: ReadonlySet<MetricName>): Values {
  const { scores, labels } = judged;
  const weight = weightedSum(judged, () => 1);
  const mse = weightedSum(judged, (row) => (at(scores, row) - at(labels, row)) ** 2) / weight;
  const mean = weightedSum(judged, (row) => at(labels, row)) / weight;
  const variance = weightedSum(judged, (row) => (at(labels, row) - mean) ** 2) / weight;
  return {
    ...(wanted.has('mse') ? { mse: orNull(mse) } : {}),
    ...(wanted.has('nmse') ? { nmse: orNull(mse / variance) } : {}),
  };
}
