/** Log loss and normalised entropy (He et al. 2014). */
import { ExactSum, emptySums, type TaskSums } from './sums.js';
import {
  at,
  defined,
  type MetricValue,
  type Numbers,
  type RowOptions,
  requireUnit,
  undefinedBecause,
  usedRows,
  weightAt,
  withSkipped,
} from './value.js';

/** Predictions as probabilities in [0, 1] (clipped to [1e-15, 1 − 1e-15], float32 arrays to 1e-7) or as logits. */
export interface BinaryOptions extends RowOptions {
  readonly from?: 'probabilities' | 'logits';
}

export interface NeOptions extends BinaryOptions {
  /** Rate that the loss is compared with, e.g. the training CTR; default: mean label of the evaluated rows. */
  readonly baseRate?: number;
}

/** Entropy of a coin in nats: −p log p − (1 − p) log(1 − p); 0 at p = 0 and 1. */
export function binaryEntropy(p: number): number {
  return p <= 0 || p >= 1 ? 0 : -p * Math.log(p) - (1 - p) * Math.log1p(-p);
}

export function sigmoid(logit: number): number {
  return logit >= 0 ? 1 / (1 + Math.exp(-logit)) : Math.exp(logit) / (1 + Math.exp(logit));
}

function lossOfLogit(logit: number, y: number): number {
  return Math.max(logit, 0) + Math.log1p(Math.exp(-Math.abs(logit))) - y * logit;
}

function lossOfProbability(p: number, y: number, clip: number): number {
  const clipped = Math.min(1 - clip, Math.max(clip, p));
  return -y * Math.log(clipped) - (1 - y) * Math.log1p(-clipped);
}

/**
 * Sums of a binary task over rows, with the number of rows left out.
 * @throws MetricInputError for labels or probabilities outside [0, 1].
 */
export function binarySums(
  metric: string,
  predictions: Numbers,
  labels: Numbers,
  options: BinaryOptions = {},
): { sums: TaskSums; skipped: number } {
  const { rows, skipped } = usedRows(metric, { predictions, labels }, options);
  requireUnit(metric, 'the label', labels, rows);
  const logits = options.from === 'logits';
  if (!logits) {
    requireUnit(metric, 'the probability', predictions, rows);
  }
  const clip = predictions instanceof Float32Array ? 1e-7 : 1e-15;
  const [loss, weight, prediction, target, targetSq] = Array.from({ length: 5 }, () => new ExactSum()) as [
    ExactSum,
    ExactSum,
    ExactSum,
    ExactSum,
    ExactSum,
  ];
  for (const row of rows) {
    const x = at(predictions, row);
    const y = at(labels, row);
    const w = weightAt(options.weights, row);
    loss.add(w * (logits ? lossOfLogit(x, y) : lossOfProbability(x, y, clip)));
    weight.add(w);
    prediction.add(w * (logits ? sigmoid(x) : x));
    target.add(w * y);
    targetSq.add(w * y * y);
  }
  const sums = {
    ...emptySums(),
    loss: loss.value,
    weight: weight.value,
    count: rows.length,
    prediction: prediction.value,
    target: target.value,
    targetSq: targetSq.value,
  };
  return { sums, skipped };
}

/** Σ w·ℓ / Σ w in nats. */
export function logLossOfSums(sums: TaskSums): MetricValue {
  return sums.weight > 0 ? defined(sums.loss / sums.weight) : undefinedBecause('no rows');
}

/** Log loss over the entropy of the base rate; 1 equals always predicting that rate. */
export function neOfSums(sums: TaskSums, baseRate?: number): MetricValue {
  if (!(sums.weight > 0)) {
    return undefinedBecause('no rows');
  }
  const base = baseRate ?? sums.target / sums.weight;
  if (!(base > 0 && base < 1)) {
    return undefinedBecause(`the base rate is ${base}`);
  }
  return defined(sums.loss / sums.weight / binaryEntropy(base));
}

/** Mean log loss in nats; labels in [0, 1]. Undefined without rows. */
export function logLoss(predictions: Numbers, labels: Numbers, options: BinaryOptions = {}): MetricValue {
  const { sums, skipped } = binarySums('logLoss', predictions, labels, options);
  return withSkipped(logLossOfSums(sums), skipped);
}

/** Normalised entropy. Undefined without rows or when the base rate is 0 or 1. */
export function normalizedEntropy(predictions: Numbers, labels: Numbers, options: NeOptions = {}): MetricValue {
  const { sums, skipped } = binarySums('ne', predictions, labels, options);
  return withSkipped(neOfSums(sums, options.baseRate), skipped);
}
