/**
 * prerank: trains and evaluates early-stage (pre-ranking) ads models.
 *
 * `loadConfig` reads a configuration, `train` leaves a run folder, `openRun` opens one, `evaluate` and `predict` use it,
 * `RequestScorer` and `ColumnScorer` score with it in memory;
 * `evaluateReplay` and `compareRuns` judge runs as early stages of a replay log.
 * Every error is a `PrerankError` with a stable code, where it was found, and what to do.
 */
export { type ErrorCode, type ErrorWhere, PrerankError } from './base/errors.js';
export { addFeatures } from './config/add-features.js';
export { type ConfigOverrides, type LoadConfigOptions, loadConfig } from './config/load.js';
export type { ConfigInput } from './config/schema.js';
export type { ResolvedConfig, SourceConfig, SqlSource } from './config/types.js';
export type { Feature, FeatureMap, Table } from './data/features.js';
export { type InspectedColumn, type InspectedFile, inspectFile } from './data/inspect.js';
export {
  type ComparisonAtK,
  compareRuns,
  type RunComparison,
  type SliceComparison,
} from './experiment/compare-runs.js';
export {
  type Estimate,
  evaluateReplay,
  type ReplayAtK,
  type ReplayEvaluation,
  type ReplayOptions,
  type SliceResult,
} from './experiment/replay-evaluation.js';
export type { PairedDifference } from './metrics/paired.js';
export { AdVectors } from './train/ad-vectors.js';
export type { TrainControl, TrainerCallback, TrainReport, TrainStart } from './train/callbacks.js';
export { ColumnScorer } from './train/column-scorer.js';
export { type EvaluateOptions, evaluate } from './train/evaluate.js';
export { type EvaluationResult, formatEvaluation, type MetricValues } from './train/evaluation-result.js';
export { type GateMeans, gateMeans } from './train/gates.js';
export {
  type FeatureImportance,
  formatImportance,
  type ImportanceOptions,
  type ImportanceResult,
  importance,
  type TaskImportance,
} from './train/importance.js';
export { describeRun, type InspectedRun } from './train/inspect-run.js';
export { type PredictOptions, type PredictResult, predict } from './train/predict.js';
export { Progress, type ProgressStream } from './train/progress.js';
export type { ColumnBatch, RawRow, RawValue } from './train/raw-values.js';
export { RequestScorer } from './train/request-scorer.js';
export { type OpenRunOptions, openRun, type Run } from './train/run.js';
export { SafetensorsFile, type TensorEntry, type TensorSource, writeSafetensors } from './train/safetensors.js';
export type { TrainSummary } from './train/summary.js';
export { selectFields, train } from './train/train.js';
export type { TrainOptions } from './train/trainer.js';
export { version } from './version.js';
