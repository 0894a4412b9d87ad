/** `prerank/metrics`: metrics of predictions and of a stage's consistency with the next. */
export { auc, type GaucOptions, type GaucValue, gauc } from './auc.js';
export { bootstrapIntervals, type Interval } from './bootstrap.js';
export { calibration, type EceOptions, expectedCalibrationError } from './calibration.js';
export { type ExposureRates, exposureRates, type ImpressionSums, relativeChange } from './exposure.js';
export { type NdcgOptions, type NdcgValue, ndcg } from './ndcg.js';
export { type BinaryOptions, binaryEntropy, logLoss, type NeOptions, normalizedEntropy } from './ne.js';
export { type PairedDifference, pairedDifferences } from './paired.js';
export { percentile } from './percentile.js';
export {
  hardRecall,
  type RecallOptions,
  type RecallValue,
  rcs,
  relevantRecall,
  type SoftRecallOptions,
  type SoftRecallValue,
  softRecall,
} from './recall.js';
export { type Direction, improvement, METRICS, type MetricInfo } from './registry.js';
export { mse, nmse, rSquared } from './regression.js';
export {
  type RequestLosses,
  type RequestMetric,
  type RequestRatio,
  type RequestStatistic,
  requestNe,
} from './request-metric.js';
export type { BootstrapOptions } from './resamples.js';
export { mergeSums, type TaskSums } from './sums.js';
export { totalValueDifference } from './total-value.js';
export { MetricInputError, type MetricValue, type Numbers, type RowOptions } from './value.js';
export { TaskWindow } from './window.js';
