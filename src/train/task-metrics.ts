/** The metrics of one task over the rows that carry its label. */
import type { MetricName } from '../config/types.js';
import {
  calibration,
  expectedCalibrationError,
  logLoss,
  type MetricValue,
  mse,
  nmse,
  normalizedEntropy,
} from '../metrics/index.js';
import type { NativeMetrics } from '../runtime/native.js';

/** Scores and labels of equal length, with row weights and groups where the log has them. */
export interface Judged {
  readonly scores: Float64Array;
  readonly labels: Float64Array;
  readonly weights: Float64Array | null;
  readonly groups: Uint32Array | null;
}

type Metric = (scores: Float64Array, labels: Float64Array, options: { readonly weights?: Float64Array }) => MetricValue;

const PROBABILITY_METRICS: Partial<Record<MetricName, Metric>> = {
  ne: normalizedEntropy,
  logLoss,
  calibration,
  ece: expectedCalibrationError,
};
const VALUE_METRICS: Partial<Record<MetricName, Metric>> = { mse, nmse };

type Values = Record<string, number | null>;

function compute(metric: Metric, { scores, labels, weights }: Judged): number | null {
  return metric(scores, labels, weights === null ? {} : { weights }).value;
}

function computeAll(
  metrics: Partial<Record<MetricName, Metric>>,
  wanted: ReadonlySet<MetricName>,
  judged: Judged,
): Values {
  const entries = Object.entries(metrics).filter(([name]) => wanted.has(name as MetricName));
  return Object.fromEntries(entries.map(([name, metric]) => [name, compute(metric, judged)]));
}

/** Σ w p / Σ w y; null without positive labels. */
export function weightedCalibration(judged: Judged): number | null {
  return compute(calibration, judged);
}

/** Metrics of probabilities against labels in [0, 1]; a metric that is undefined on the rows is null. */
export async function probabilityMetrics(
  judged: Judged,
  wanted: ReadonlySet<MetricName>,
  native: NativeMetrics,
): Promise<Values> {
  const { scores, labels, weights, groups } = judged;
  const values: Values = {};
  if (wanted.has('auc')) {
    values.auc = orNull(await native.auc(scores, labels, weights));
  }
  if (wanted.has('gauc') && groups !== null) {
    const { weightedSum, weight } = await native.gauc(scores, labels, weights, groups);
    values.gauc = orNull(weightedSum / weight);
  }
  return { ...values, ...computeAll(PROBABILITY_METRICS, wanted, judged) };
}

/** Metrics of values against labels in the same units. */
export function valueMetrics(judged: Judged, wanted: ReadonlySet<MetricName>): Values {
  return computeAll(VALUE_METRICS, wanted, judged);
}

function orNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
