/** How a score ranks whole candidate lists (preranking.md §9): clicks among the exposed, exposed and clicked candidates among all. */
import { auc, gauc, type Numbers, rcs, relevantRecall } from '../metrics/index.js';

/** Rows of whole candidate lists, one value a row. */
export interface CandidateLists {
  readonly requests: Numbers;
  /** 1 where the candidate was exposed. */
  readonly shown: Numbers;
  /** 1 where it was clicked; NaN or 0 elsewhere. */
  readonly clicks: Numbers;
  /** Total value by the final stage. */
  readonly totalValues: Numbers;
}

export interface RankingMetrics {
  /** Of clicks among exposed rows; GAUC by request. */
  readonly auc: number | null;
  readonly gauc: number | null;
  readonly exposureRecall1: number | null;
  readonly clickRecall1: number | null;
  readonly exposureRecall10: number | null;
  readonly clickRecall10: number | null;
  readonly exposureRecall50: number | null;
  readonly clickRecall50: number | null;
  /** Of the first `passed` by the score, the share that is among as many by total value. */
  readonly rcs: number | null;
}

/** @param passed how many candidates of a request go on. */
export function rankingMetrics(score: Numbers, lists: CandidateLists, passed: number): RankingMetrics {
  const { requests, shown, totalValues } = lists;
  const mask = Float64Array.from(shown, (flag) => (flag === 1 ? 1 : 0));
  const clicks = Float64Array.from(lists.clicks, (click, row) => (mask[row] === 1 && click === 1 ? 1 : 0));
  const exposure = (k: number): number | null => relevantRecall(score, mask, requests, k).value;
  const click = (k: number): number | null => relevantRecall(score, clicks, requests, k).value;
  return {
    auc: auc(score, clicks, { mask }).value,
    gauc: gauc(score, clicks, requests, { mask }).value,
    exposureRecall1: exposure(1),
    clickRecall1: click(1),
    exposureRecall10: exposure(10),
    clickRecall10: click(10),
    exposureRecall50: exposure(50),
    clickRecall50: click(50),
    rcs: rcs(score, totalValues, requests, { m: passed, k: passed }).value,
  };
}
