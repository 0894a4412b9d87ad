/** Judges predictions on an encoded dataset: task metrics, and consistency with the final stage by replay. */
import type { MetricName, ResolvedConfig } from '../config/types.js';
import { ROLE_COLUMNS } from '../data/features.js';
import type { NativeMetrics, PredictionSpec } from '../runtime/native.js';
import { chainScoreMetrics } from './chain-scores.js';
import type { EncodedSet } from './encoded-set.js';
import type { EvaluationResult, MetricValues } from './evaluation-result.js';
import type { Predictions } from './predictor.js';
import { replay } from './replay.js';
import type { Bootstrap } from './replay-figures.js';
import { type Judge, type JudgedRows, probabilityMetrics, valueMetrics, weightedCalibration } from './task-metrics.js';
import { type ResolvedTask, resolveTasks } from './tasks.js';

export interface EvaluationInput {
  readonly config: ResolvedConfig;
  readonly set: EncodedSet;
  readonly predictions: Predictions;
  readonly metrics: NativeMetrics;
  readonly step: number | null;
  /** K of the recall metrics; default: as configured. */
  readonly k?: number;
  /** Intervals of the replay's metrics; default: none. */
  readonly bootstrap?: Bootstrap;
}

/**
 * Every metric of `config.evaluation.metrics` that applies: for each task with a prediction on the rows that carry its
 * label, and the replay. The columns are read where they are mapped.
 */
export async function evaluateSet(input: EvaluationInput): Promise<EvaluationResult> {
  const { config, set, predictions, step } = input;
  const notes: string[] = [];
  const byTask: Record<string, MetricValues> = {};
  for (const task of resolveTasks(config, set.features, set.columns)) {
    const prediction = predictions.get(task.name);
    if (prediction === undefined) {
      notes.push(`${task.name} has no prediction of its own: it trains the head of ${task.model.logitsOf}`);
      continue;
    }
    byTask[task.name] = await taskMetrics(input, task, prediction, notes);
  }
  const k = input.k ?? config.evaluation.k;
  const scores = chainScoreMetrics(set, predictions, { wanted: config.evaluation.metrics, k });
  const replayed = await replay(input, notes);
  return {
    rows: set.rows,
    step,
    tasks: byTask,
    ...(scores === null ? {} : { scores }),
    replay: replayed?.values ?? null,
    ...(replayed?.intervals === undefined ? {} : { intervals: replayed.intervals }),
    notes,
  };
}

async function taskMetrics(
  input: EvaluationInput,
  task: ResolvedTask,
  prediction: PredictionSpec,
  notes: string[],
): Promise<MetricValues> {
  const { set, config, metrics } = input;
  const judge: Judge = { dataset: set.native, metrics, task: task.name };
  const rows = judgedRows(input, task, prediction);
  const { kind } = task.prediction;
  const wanted = new Set<MetricName>(
    config.evaluation.metrics.filter((metric) => kind !== 'ratio' || RANKING.includes(metric)),
  );
  const found = await (kind === 'value' ? valueMetrics : probabilityMetrics)(judge, rows, wanted);
  if (found.rows === 0) {
    notes.push(`${task.name}: no row carries its label`);
  }
  const values = { rows: found.rows, ...found.values };
  const { pseudo } = task.source;
  if (kind === 'ratio') {
    notes.push(`${task.name} is pCTCVR / pCTR, which is judged by its ranking alone: it may exceed 1`);
  }
  if (kind === 'value' || !wanted.has('calibration') || !rows.shown || pseudo === undefined) {
    return values;
  }
  const unseen = { ...rows, label: pseudo, shownIs: false };
  return { ...values, calibrationNonImpressions: await weightedCalibration(judge, unseen) };
}

/** Metrics of the order of the rows. */
const RANKING: readonly MetricName[] = ['auc', 'gauc'];

/** The rows that carry the task's label. */
function judgedRows({ set, config }: EvaluationInput, task: ResolvedTask, prediction: PredictionSpec): JudgedRows {
  const { target, traffic } = task.source;
  const present = (column: string | undefined): string | undefined =>
    column !== undefined && set.columns.has(column) ? column : undefined;
  const { group } = config.evaluation;
  return {
    label: target,
    traffic: present(traffic),
    shown: task.shownOnly ? present(ROLE_COLUMNS.impression.column) : undefined,
    weight: present(ROLE_COLUMNS.weight.column),
    group: group === undefined ? undefined : present(ROLE_COLUMNS[group].column),
    prediction,
  };
}
