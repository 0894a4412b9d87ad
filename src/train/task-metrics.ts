/** The metrics of one task over the rows that carry its label, from the native sums over the mapped columns. */
import { PrerankError } from '../base/errors.js';
import type { MetricName } from '../config/types.js';
import { calibrationOfSums } from '../metrics/calibration.js';
import { logLossOfSums, neOfSums } from '../metrics/ne.js';
import { mseOfSums } from '../metrics/regression.js';
import { awaitNative } from '../runtime/errors.js';
import type { NativeDataset, NativeMetrics, NativeTaskMetrics, TaskMetricsSpec } from '../runtime/native.js';

/** Which rows are judged, and by which predictions. */
export type JudgedRows = Omit<TaskMetricsSpec, 'probability' | 'auc' | 'ece' | 'eceBins' | 'groupWeight'>;

export interface Judge {
  readonly dataset: NativeDataset;
  readonly metrics: NativeMetrics;
  /** Name of the task, for errors. */
  readonly task: string;
}

/** Rows with their metrics; a metric that is undefined on the rows is null. */
export interface JudgedValues {
  readonly rows: number;
  readonly values: Readonly<Record<string, number | null>>;
}

/** Metrics of probabilities against labels in [0, 1]. */
export async function probabilityMetrics(
  judge: Judge,
  rows: JudgedRows,
  wanted: ReadonlySet<MetricName>,
): Promise<JudgedValues> {
  const { group, ...others } = rows;
  const auc = wanted.has('auc');
  const gauc = wanted.has('gauc') && group !== undefined;
  const spec = { ...others, probability: true, auc, ece: wanted.has('ece'), ...(gauc ? { group } : {}) };
  const sums = await judged(judge, spec);
  const values: Record<string, number | null> = {};
  if (auc) {
    values.auc = orNull(sums.auc);
    if (sums.aucError > 0) {
      values.aucError = sums.aucError;
    }
  }
  if (gauc) {
    values.gauc = orNull(sums.groupSum / sums.groupWeight);
  }
  if (wanted.has('ne')) {
    values.ne = neOfSums(sums).value;
  }
  if (wanted.has('logLoss')) {
    values.logLoss = logLossOfSums(sums).value;
  }
  if (wanted.has('calibration')) {
    values.calibration = calibrationOfSums(sums).value;
  }
  if (wanted.has('ece')) {
    values.ece = orNull(sums.ece);
  }
  return { rows: sums.count, values };
}

/** Σ w p / Σ w y; null without positive labels. */
export async function weightedCalibration(judge: Judge, rows: JudgedRows): Promise<number | null> {
  return calibrationOfSums(await judged(judge, { ...rows, group: undefined, probability: true })).value;
}

/** Metrics of values against labels in the same units. */
export async function valueMetrics(
  judge: Judge,
  rows: JudgedRows,
  wanted: ReadonlySet<MetricName>,
): Promise<JudgedValues> {
  const sums = await judged(judge, { ...rows, group: undefined, probability: false });
  const values: Record<string, number | null> = {};
  if (wanted.has('mse')) {
    values.mse = mseOfSums(sums).value;
  }
  if (wanted.has('nmse')) {
    values.nmse = sums.spread > 0 ? orNull(sums.loss / sums.spread) : null;
  }
  return { rows: sums.count, values };
}

/** @throws METRIC_INPUT naming the row of a label, prediction or weight that the metrics are not defined for. */
async function judged({ dataset, metrics, task }: Judge, spec: TaskMetricsSpec): Promise<NativeTaskMetrics> {
  const sums = await awaitNative(() => metrics.task(dataset, spec));
  const { fault } = sums;
  if (fault === undefined) {
    return sums;
  }
  const columns = { label: spec.label, weight: spec.weight, prediction: undefined };
  throw new PrerankError('METRIC_INPUT', `${task}: the ${fault.input} of row ${fault.row} is ${fault.value}`, {
    row: fault.row,
    column: columns[fault.input],
  });
}

function orNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
