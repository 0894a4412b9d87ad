/** From the figures of every request to the metrics of a replay (metrics.md), with bootstrap intervals. */
import type { MetricName } from '../config/types.js';
import { bootstrapIntervals, type Interval, type RequestRatio } from '../metrics/index.js';
import { REPLAY_FIGURES } from '../runtime/native.js';
import type { MetricValues } from './evaluation-result.js';

/** Resamples of the requests, drawn with a seed. */
export interface Bootstrap {
  readonly resamples: number;
  readonly seed: number;
}

/** Columns of a replay, [requests] each. */
export type Figures = Readonly<Record<(typeof REPLAY_FIGURES)[number], Float64Array>>;

/** The metrics and the spread over requests. Requests whose denominator is not positive are left out and counted. */
export function replayMetrics(perRequest: Float64Array, wanted: ReadonlySet<MetricName>): MetricValues {
  const figures = columnsOf(perRequest);
  const ratios = ratiosOf(figures, wanted);
  const values: Record<string, number | null> = {};
  for (const [name, { numerator, denominator }] of Object.entries(ratios)) {
    values[name] = ratio(sum(numerator), sum(denominator));
    const spread = SPREADS[name];
    if (spread !== undefined) {
      values[spread] = deviation(numerator, denominator, values[name]);
    }
    if (name === 'softRecallPooled') {
      values.softSkipped = figures.softDenominator.reduce((count, value) => count + (value > 0 ? 0 : 1), 0);
    }
  }
  return values;
}

/** 95 % percentile intervals of the same metrics over resamples of the requests. */
export function replayIntervals(
  perRequest: Float64Array,
  wanted: ReadonlySet<MetricName>,
  { resamples, seed }: Bootstrap,
): Readonly<Record<string, Interval>> {
  return bootstrapIntervals(ratiosOf(columnsOf(perRequest), wanted), { resamples, seed });
}

/** Standard deviations over requests that are reported. */
const SPREADS: Readonly<Record<string, string>> = { hardRecall: 'hardRecallSd', softRecall: 'softRecallSd' };

/** The columns of a replay's figures. */
export function columnsOf(perRequest: Float64Array): Figures {
  const width = REPLAY_FIGURES.length;
  const requests = perRequest.length / width;
  const column = (_: string, i: number): Float64Array => {
    const values = new Float64Array(requests);
    for (let request = 0; request < requests; request += 1) {
      values[request] = perRequest[request * width + i] ?? Number.NaN;
    }
    return values;
  };
  return Object.fromEntries(REPLAY_FIGURES.map((name, i) => [name, column(name, i)])) as Figures;
}

/** The metrics as ratios of sums over requests. */
export function ratiosOf(figures: Figures, wanted: ReadonlySet<MetricName>): Readonly<Record<string, RequestRatio>> {
  const ratios: Record<string, RequestRatio> = {};
  if (wanted.has('hardRecall') || wanted.has('recall')) {
    ratios.hardRecall = meanOf(figures.hits, figures.k);
  }
  if (wanted.has('softRecall')) {
    ratios.softRecall = meanOf(figures.softNumerator, figures.softDenominator);
    ratios.softRecallPooled = pooled(figures.softNumerator, figures.softDenominator);
  }
  if (wanted.has('rcs')) {
    ratios.rcs = meanOf(figures.hits, figures.k);
  }
  if (wanted.has('ndcg')) {
    ratios.ndcg = meanOf(figures.dcg, figures.idcg);
  }
  if (wanted.has('tvd')) {
    ratios.tvd = { numerator: figures.difference, denominator: figures.size };
  }
  return ratios;
}

/** The mean of a / b over the requests where b is positive. */
export function meanOf(a: Float64Array, b: Float64Array): RequestRatio {
  return {
    numerator: a.map((value, i) => ((b[i] ?? 0) > 0 ? value / (b[i] ?? 1) : 0)),
    denominator: b.map((value) => (value > 0 ? 1 : 0)),
  };
}

/** Σa / Σb over the requests where b is positive. */
function pooled(a: Float64Array, b: Float64Array): RequestRatio {
  return {
    numerator: a.map((value, i) => ((b[i] ?? 0) > 0 ? value : 0)),
    denominator: b.map((value) => Math.max(value, 0)),
  };
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}

function ratio(numerator: number, denominator: number): number | null {
  return denominator === 0 ? null : numerator / denominator;
}

/** Population standard deviation over the requests that count. */
export function deviation(values: Float64Array, counts: Float64Array, mean: number | null | undefined): number | null {
  if (mean === null || mean === undefined) {
    return null;
  }
  const squares = values.map((value, i) => (counts[i] ?? 0) * (value - mean) ** 2);
  return Math.sqrt(sum(squares) / sum(counts));
}
