/** Every replay metric of a scored log as ratios of sums over requests. */
import type { RequestRatio } from '../metrics/index.js';
import { replayRequests } from '../train/replay.js';
import { columnsOf, type Figures, meanOf, ratiosOf } from '../train/replay-figures.js';
import type { ScoredLog } from './scored-log.js';

const WANTED = ['hardRecall', 'softRecall', 'ndcg', 'tvd'] as const;

export interface ReplaySizes {
  /** Candidates that either stage picks of a request. */
  readonly k: number;
  /** Early picks of RCS, other than k. */
  readonly m: readonly number[];
}

export interface RequestMetrics {
  /** Codes of the requests with candidates. */
  readonly requests: Uint32Array;
  /** Sums of every request at m = k. */
  readonly figures: Figures;
  readonly metrics: Readonly<Record<string, RequestRatio>>;
}

/**
 * `hardRecall`, `softRecall`, `softRecallPooled`, `ndcg`, `tvd`; `rcs@m`; and the mean final total value of the candidates
 * that the early stage picks, `pickedValue`, and of the golden set's, `goldenValue`.
 * @throws METRIC_INPUT naming row and role when a candidate's score is missing or not finite.
 */
export async function replayRatios({ run, set, spec }: ScoredLog, { k, m }: ReplaySizes): Promise<RequestMetrics> {
  const replay = { set, metrics: run.addon.metrics, early: spec, k };
  const { requests, perRequest } = await replayRequests({ ...replay, gains: true });
  const figures = columnsOf(perRequest);
  const metrics = { ...ratiosOf(figures, new Set(WANTED)) };
  metrics.pickedValue = { numerator: figures.softNumerator, denominator: figures.k };
  metrics.goldenValue = { numerator: figures.softDenominator, denominator: figures.k };
  metrics[`rcs@${k}`] = meanOf(figures.hits, figures.k);
  for (const earlyK of m.filter((size) => size !== k)) {
    const other = columnsOf((await replayRequests({ ...replay, earlyK, gains: false })).perRequest);
    metrics[`rcs@${earlyK}`] = meanOf(other.hits, other.k);
  }
  return { requests, figures, metrics };
}
