/** Sums of the tasks' losses by request: what paired comparisons of normalised entropy and squared error need. */
import { ROLE_COLUMNS } from '../data/features.js';
import { MetricInputError, type RequestLosses, type RequestMetric, requestNe } from '../metrics/index.js';
import { readPredictions } from '../train/predictor.js';
import { type ResolvedTask, resolveTasks } from '../train/tasks.js';
import type { ScoredLog } from './scored-log.js';

const CLIP = 1e-15;

/**
 * NE of every task that predicts a probability and MSE of every other, over the rows of the given requests that carry its
 * label; `ctr.ne`, `cqs.mse`. Ratios, which have neither, and tasks whose label the log does not have are left out, as are those without a labelled row.
 */
export function taskMetricsByRequest(log: ScoredLog, requests: Uint32Array): Record<string, RequestMetric> {
  const { run, set, predictions } = log;
  const present = Object.entries(run.config.tasks).flatMap(([name, settings]): ResolvedTask[] => {
    try {
      return resolveTasks({ model: run.config.model, tasks: { [name]: settings } }, run.features, set.columns);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'COLUMN_MISSING') return [];
      throw error;
    }
  });
  const metrics: Record<string, RequestMetric> = {};
  for (const task of present) {
    const prediction = predictions.get(task.name);
    if (prediction === undefined || task.prediction.kind === 'ratio') continue;
    const sums = lossesOf(log, task, readPredictions(prediction), requests);
    if (sums.weight.every((weight) => weight === 0)) continue;
    if (task.prediction.kind === 'probability') metrics[`${task.name}.ne`] = requestNe(sums);
    else metrics[`${task.name}.mse`] = { numerator: sums.loss, denominator: sums.weight };
  }
  return metrics;
}

function lossesOf(log: ScoredLog, task: ResolvedTask, predicted: Float64Array, requests: Uint32Array): RequestLosses {
  const { set } = log;
  const column = (name: string | undefined): ArrayLike<number> | null =>
    name !== undefined && set.columns.has(name) ? set.column(name) : null;
  const labels = column(task.source.target);
  const traffic = column(task.source.traffic);
  const shown = task.shownOnly ? column(ROLE_COLUMNS.impression.column) : null;
  const weights = column(ROLE_COLUMNS.weight.column);
  const places = new Map(Array.from(requests, (code, i) => [code, i]));
  const of = () => new Float64Array(requests.length);
  const sums = { loss: of(), weight: of(), target: of() };
  const probability = task.prediction.kind === 'probability';
  for (let row = 0; row < predicted.length; row += 1) {
    const label = labels?.[row] ?? Number.NaN;
    const place = places.get(log.requests[row] ?? -1);
    if (Number.isNaN(label) || place === undefined || traffic?.[row] === 0 || shown?.[row] === 0) continue;
    const weight = weights?.[row] ?? 1;
    const loss = (probability ? crossEntropy : squaredError)(predicted[row] ?? Number.NaN, label);
    if (!Number.isFinite(loss * weight)) {
      throw new MetricInputError(task.name, `the prediction, label or weight of row ${row} is not finite`, row);
    }
    sums.loss[place] = (sums.loss[place] ?? 0) + weight * loss;
    sums.weight[place] = (sums.weight[place] ?? 0) + weight;
    sums.target[place] = (sums.target[place] ?? 0) + weight * label;
  }
  return sums;
}

function crossEntropy(p: number, y: number): number {
  const clipped = Math.min(1 - CLIP, Math.max(CLIP, p));
  return -y * Math.log(clipped) - (1 - y) * Math.log1p(-clipped);
}

function squaredError(value: number, y: number): number {
  return (value - y) ** 2;
}
