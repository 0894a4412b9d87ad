/** Judges predictions on an encoded dataset: task metrics, and consistency with the final stage by replay. */
import type { MetricName, ResolvedConfig } from '../config/types.js';
import { ROLE_COLUMNS } from '../data/features.js';
import type { NativeMetrics } from '../runtime/native.js';
import type { EncodedSet } from './encoded-set.js';
import type { EvaluationResult, MetricValues } from './evaluation-result.js';
import type { Predictions } from './predictor.js';
import { replay } from './replay.js';
import { type Judged, probabilityMetrics, valueMetrics, weightedCalibration } from './task-metrics.js';
import { type ResolvedTask, resolveTasks } from './tasks.js';

export interface EvaluationInput {
  readonly config: ResolvedConfig;
  readonly set: EncodedSet;
  readonly predictions: Predictions;
  readonly metrics: NativeMetrics;
  readonly step: number | null;
  /** K of the recall metrics; default: as configured. */
  readonly k?: number;
}

/**
 * Every metric of `config.evaluation.metrics` that applies: for each task with a prediction on the rows that carry its
 * label, and the replay.
 */
export async function evaluateSet(input: EvaluationInput): Promise<EvaluationResult> {
  const { config, set, predictions, step } = input;
  const notes: string[] = [];
  const byTask: Record<string, MetricValues> = {};
  for (const task of resolveTasks(config, set.features, set.columns)) {
    const scores = predictions.get(task.name);
    if (scores === undefined) {
      notes.push(`${task.name} has no prediction of its own: it trains the head of ${task.model.logitsOf}`);
      continue;
    }
    byTask[task.name] = await taskMetrics(input, task, scores, notes);
  }
  return { rows: set.rows, step, tasks: byTask, replay: await replay(input, notes), notes };
}

async function taskMetrics(
  input: EvaluationInput,
  task: ResolvedTask,
  scores: Float64Array,
  notes: string[],
): Promise<MetricValues> {
  const { set, config, metrics: native } = input;
  const { target, pseudo, traffic } = task.source;
  const labels = set.float64(target) ?? new Float64Array(0);
  const shown = task.shownOnly ? set.uint32(ROLE_COLUMNS.impression.column) : null;
  const inTraffic = traffic === undefined ? null : set.uint32(traffic);
  const counts = (row: number): boolean => inTraffic === null || inTraffic[row] !== 0;
  const observed = select(input, scores, labels, (row) => counts(row) && (shown === null || shown[row] !== 0));
  if (observed.labels.length === 0) {
    notes.push(`${task.name}: no row carries its label`);
  }
  const wanted = new Set<MetricName>(config.evaluation.metrics);
  if (task.prediction.kind === 'value') {
    return { rows: observed.labels.length, ...valueMetrics(observed, wanted) };
  }
  const found = await probabilityMetrics(observed, wanted, native);
  const pseudoLabels = pseudo === undefined ? null : set.float64(pseudo);
  if (!wanted.has('calibration') || shown === null || pseudoLabels === null) {
    return { rows: observed.labels.length, ...found };
  }
  const unseen = select(input, scores, pseudoLabels, (row) => counts(row) && shown[row] === 0);
  return {
    rows: observed.labels.length,
    ...found,
    calibrationNonImpressions: weightedCalibration(unseen),
  };
}

/** The rows with a label for which `keep` holds. */
function select(
  input: EvaluationInput,
  scores: Float64Array,
  labels: Float64Array,
  keep: (row: number) => boolean,
): Judged {
  const { set, config } = input;
  const rows: number[] = [];
  for (const [row, label] of labels.entries()) {
    if (!Number.isNaN(label) && keep(row)) {
      rows.push(row);
    }
  }
  const weights = set.float64(ROLE_COLUMNS.weight.column);
  const { group } = config.evaluation;
  const groups = group === undefined ? null : set.uint32(ROLE_COLUMNS[group].column);
  return {
    scores: Float64Array.from(rows, (row) => scores[row] ?? Number.NaN),
    labels: Float64Array.from(rows, (row) => labels[row] ?? Number.NaN),
    weights: weights === null ? null : Float64Array.from(rows, (row) => weights[row] ?? Number.NaN),
    groups: groups === null ? null : Uint32Array.from(rows, (row) => groups[row] ?? 0),
  };
}
