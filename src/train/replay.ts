/** Replay: what the early stage would pass on, against what the final stage would pick (framework.md §6). */
import { missingInput, type TotalValueInputs, totalValues } from '../auction/total-value.js';
import { PrerankError } from '../base/errors.js';
import type { MetricName } from '../config/types.js';
import { ROLE_COLUMNS } from '../data/features.js';
import { totalValueDifference } from '../metrics/index.js';
import type { EvaluationInput } from './evaluate-set.js';
import type { MetricValues } from './evaluation-result.js';
import { totalValueInputs } from './total-value.js';

const REPLAY_METRICS: readonly MetricName[] = ['hardRecall', 'softRecall', 'recall', 'rcs', 'ndcg', 'tvd'];

/** Columns of `perRequest` of the native recall. */
const PER_REQUEST = ['n', 'k', 'hits', 'softNumerator', 'softDenominator', 'dcg', 'idcg'] as const;

type RequestFigures = Record<(typeof PER_REQUEST)[number], number>;

/** The rows that the final stage has scored. */
interface Replayed {
  readonly early: Float64Array;
  readonly final: Float64Array;
  readonly requests: Uint32Array;
}

/**
 * Consistency of the early total value with the final stage's over the rows that have one; null when no replay metric
 * is wanted, or request, final total value or a task `ctr` is missing. Assumptions are added to `notes`.
 * @throws METRIC_INPUT naming row and role when an input of the early total value is missing.
 */
export async function replay(input: EvaluationInput, notes: string[]): Promise<MetricValues | null> {
  const { config, set, predictions, metrics: native } = input;
  const wanted = new Set(config.evaluation.metrics.filter((metric) => REPLAY_METRICS.includes(metric)));
  const requests = set.uint32(ROLE_COLUMNS.request.column);
  const final = set.float64(ROLE_COLUMNS.finalTotalValue.column);
  const inputs = totalValueInputs(set, predictions);
  if (wanted.size === 0 || requests === null || final === null || inputs === null) {
    return null;
  }
  if (inputs.bid === null) {
    notes.push('replay: the log has no bid; every bid is taken as 1');
  }
  const rows = replayed(requests, final, inputs, totalValues(config.auction, inputs));
  const k = input.k ?? config.evaluation.k;
  const { perRequest } = await native.recall(rows.early, rows.final, rows.requests, k, k);
  const figures = requestFigures(perRequest);
  return { k, requests: figures.length, ...recallMetrics(figures, wanted), ...distanceMetrics(rows, wanted) };
}

function replayed(requests: Uint32Array, final: Float64Array, inputs: TotalValueInputs, early: Float64Array): Replayed {
  const rows: number[] = [];
  for (const [row, value] of final.entries()) {
    if (Number.isNaN(value)) {
      continue;
    }
    const missing = missingInput(inputs, row);
    if (missing !== null) {
      throw new PrerankError('METRIC_INPUT', `replay: row ${row} has no ${missing}, which its total value needs`, {
        row,
        column: ROLE_COLUMNS[missing].column,
      });
    }
    rows.push(row);
  }
  return {
    early: Float64Array.from(rows, (row) => early[row] ?? Number.NaN),
    final: Float64Array.from(rows, (row) => final[row] ?? Number.NaN),
    requests: Uint32Array.from(rows, (row) => requests[row] ?? 0),
  };
}

function requestFigures(perRequest: Float64Array): RequestFigures[] {
  const width = PER_REQUEST.length;
  return Array.from({ length: perRequest.length / width }, (_, request) => {
    const values = PER_REQUEST.map((name, i) => [name, perRequest[request * width + i] ?? Number.NaN] as const);
    return Object.fromEntries(values) as RequestFigures;
  });
}

/** Requests whose denominator is not positive are left out of a ratio and counted. */
function recallMetrics(figures: readonly RequestFigures[], wanted: ReadonlySet<MetricName>): MetricValues {
  const values: Record<string, number | null> = {};
  const hard = figures.map(({ hits, k }) => hits / k);
  const usable = figures.filter(({ softDenominator }) => softDenominator > 0);
  const soft = usable.map(({ softNumerator, softDenominator }) => softNumerator / softDenominator);
  if (wanted.has('hardRecall') || wanted.has('recall')) {
    values.hardRecall = mean(hard);
    values.hardRecallSd = deviation(hard);
  }
  if (wanted.has('softRecall')) {
    values.softRecall = mean(soft);
    values.softRecallSd = deviation(soft);
    values.softRecallPooled = ratio(
      usable.map(({ softNumerator }) => softNumerator),
      usable.map(({ softDenominator }) => softDenominator),
    );
    values.softSkipped = figures.length - usable.length;
  }
  if (wanted.has('rcs')) {
    values.rcs = mean(hard);
  }
  if (wanted.has('ndcg')) {
    values.ndcg = mean(figures.flatMap(({ dcg, idcg }) => (idcg > 0 ? [dcg / idcg] : [])));
  }
  return values;
}

function distanceMetrics({ early, final }: Replayed, wanted: ReadonlySet<MetricName>): MetricValues {
  if (!wanted.has('tvd')) {
    return {};
  }
  return { tvd: totalValueDifference(final, early).value };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Σa / Σb; null when Σb is 0. */
function ratio(a: readonly number[], b: readonly number[]): number | null {
  const denominator = sum(b);
  return denominator === 0 ? null : sum(a) / denominator;
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : sum(values) / values.length;
}

/** Population standard deviation. */
function deviation(values: readonly number[]): number | null {
  const center = mean(values);
  return center === null ? null : Math.sqrt(sum(values.map((value) => (value - center) ** 2)) / values.length);
}
