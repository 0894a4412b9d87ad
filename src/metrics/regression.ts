/** Squared error and what share of the label's variance it is. */
import { ExactSum, emptySums, type TaskSums } from './sums.js';
import {
  at,
  defined,
  type MetricValue,
  type Numbers,
  type RowOptions,
  undefinedBecause,
  usedRows,
  weightAt,
  withSkipped,
} from './value.js';

/** Σ w(ŷ − y)² / Σ w. */
export function mseOfSums(sums: TaskSums): MetricValue {
  return sums.weight > 0 ? defined(sums.loss / sums.weight) : undefinedBecause('no rows');
}

/** MSE over the weighted population variance of the labels. */
export function nmseOfSums(sums: TaskSums): MetricValue {
  if (!(sums.weight > 0)) {
    return undefinedBecause('no rows');
  }
  const mean = sums.target / sums.weight;
  const variance = sums.targetSq / sums.weight - mean * mean;
  // Below this, the difference of the two sums is rounding.
  const noise = (sums.targetSq / sums.weight) * 1e-14;
  return variance > noise ? defined(sums.loss / sums.weight / variance) : undefinedBecause('the labels do not vary');
}

function squaredSums(metric: string, predictions: Numbers, labels: Numbers, options: RowOptions) {
  const { rows, skipped } = usedRows(metric, { predictions, labels }, options);
  const sums = emptySums();
  const loss = new ExactSum();
  const target = new ExactSum();
  for (const row of rows) {
    const w = weightAt(options.weights, row);
    loss.add(w * (at(predictions, row) - at(labels, row)) ** 2);
    target.add(w * at(labels, row));
    sums.weight += w;
  }
  // Around the mean, so that labels far from 0 keep their variance.
  const mean = sums.weight > 0 ? target.value / sums.weight : 0;
  const spread = new ExactSum();
  for (const row of rows) {
    spread.add(weightAt(options.weights, row) * (at(labels, row) - mean) ** 2);
  }
  sums.loss = loss.value;
  return { sums, variance: spread.value / sums.weight, skipped };
}

/** Mean squared error, in the label's unit squared. */
export function mse(predictions: Numbers, labels: Numbers, options: RowOptions = {}): MetricValue {
  const { sums, skipped } = squaredSums('mse', predictions, labels, options);
  return withSkipped(mseOfSums(sums), skipped);
}

/** MSE over the label variance; 1 equals always predicting the mean. Undefined when the labels do not vary. */
export function nmse(predictions: Numbers, labels: Numbers, options: RowOptions = {}): MetricValue {
  const { sums, variance, skipped } = squaredSums('nmse', predictions, labels, options);
  const error = mseOfSums(sums);
  if (error.value === null) {
    return withSkipped(error, skipped);
  }
  const value = variance > 0 ? defined(error.value / variance) : undefinedBecause('the labels do not vary');
  return withSkipped(value, skipped);
}

/** 1 − NMSE. */
export function rSquared(predictions: Numbers, labels: Numbers, options: RowOptions = {}): MetricValue {
  const normalized = nmse(predictions, labels, options);
  return normalized.value === null ? normalized : { ...normalized, value: 1 - normalized.value };
}
