/** Consistency of an early stage with the final stage, by replay (framework.md §6; Gu & Sheng 2022; JD's Recall@K). */
import { groupRows } from './groups.js';
import { exactTop, expectedTop } from './topk.js';
import {
  at,
  defined,
  type MetricValue,
  type Numbers,
  type RowOptions,
  requireK,
  undefinedBecause,
  usedRows,
  withSkipped,
} from './value.js';

export interface RecallOptions extends Omit<RowOptions, 'weights'> {
  /** Equal scores: by row (default), or the expectation under random tie-breaking. */
  readonly ties?: 'row' | 'expected';
}

export interface SoftRecallOptions extends RecallOptions {
  /** Total values below it count as it in both sums (0 clamps negative values); picks do not change. */
  readonly tvFloor?: number;
}

/** A mean over requests. */
export interface RecallValue extends MetricValue {
  /** Standard deviation over requests (population); null with the value. */
  readonly sd: number | null;
  /** Requests that the mean is over. */
  readonly requests: number;
}

export interface SoftRecallValue extends RecallValue {
  /** Ratio of the sums over all requests; null when there is none. */
  readonly pooled: number | null;
  /** Requests left out because their denominator is not positive. */
  readonly softSkipped: number;
}

type Top = (rows: Uint32Array, scores: Numbers, k: number) => Float64Array;

function topOf(options: RecallOptions): Top {
  return options.ties === 'expected' ? expectedTop : exactTop;
}

function dot(a: Numbers, b: Numbers): number {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) {
    sum += at(a, i) * at(b, i);
  }
  return sum;
}

function meanOf(values: readonly number[], reason: string): RecallValue {
  if (values.length === 0) {
    return { ...undefinedBecause(reason), sd: null, requests: 0 };
  }
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length;
  return { ...defined(mean), sd: Math.sqrt(variance), requests: values.length };
}

function requestsOf(metric: string, columns: Record<string, Numbers>, requests: Numbers, options: RowOptions) {
  const { rows, skipped } = usedRows(metric, { ...columns, requests }, options);
  return { groups: [...groupRows(requests, rows).values()], skipped };
}

/**
 * |Top_K(early) ∩ Top_K(final)| / min(K, n), averaged over requests. `early` and `final` score the same rows;
 * `requests` groups them, in any order.
 */
export function hardRecall(
  early: Numbers,
  final: Numbers,
  requests: Numbers,
  k: number,
  options: RecallOptions = {},
): RecallValue {
  return overlap('hardRecall', { early, final, requests, m: k, k }, options);
}

/** RCS_{m,k}: |Top_m(early) ∩ Top_k(final)| / min(k, n), averaged over requests; m = k is hard recall. */
export function rcs(
  early: Numbers,
  final: Numbers,
  requests: Numbers,
  sizes: { readonly m: number; readonly k: number },
  options: RecallOptions = {},
): RecallValue {
  return overlap('rcs', { early, final, requests, ...sizes }, options);
}

interface OverlapInput {
  readonly early: Numbers;
  readonly final: Numbers;
  readonly requests: Numbers;
  readonly m: number;
  readonly k: number;
}

function overlap(metric: string, { early, final, requests, m, k }: OverlapInput, options: RecallOptions): RecallValue {
  requireK(metric, 'K', k);
  requireK(metric, 'm', m);
  const { groups, skipped } = requestsOf(metric, { early, final }, requests, options);
  const top = topOf(options);
  const shares = groups.map((rows) => dot(top(rows, early, m), top(rows, final, k)) / Math.min(k, rows.length));
  return withSkipped(meanOf(shares, 'no requests'), skipped);
}

/**
 * Σ TV of the early stage's top K / Σ TV of the final stage's top K; mean over requests, and pooled. Never
 * clipped: it may be negative without `tvFloor`.
 */
export function softRecall(
  early: Numbers,
  finalTotalValue: Numbers,
  requests: Numbers,
  k: number,
  options: SoftRecallOptions = {},
): SoftRecallValue {
  requireK('softRecall', 'K', k);
  const { groups, skipped } = requestsOf('softRecall', { early, finalTotalValue }, requests, options);
  const top = topOf(options);
  const floor = options.tvFloor ?? Number.NEGATIVE_INFINITY;
  const shares: number[] = [];
  let picked = 0;
  let best = 0;
  for (const rows of groups) {
    const values = Float64Array.from(rows, (row) => Math.max(floor, at(finalTotalValue, row)));
    const numerator = dot(top(rows, early, k), values);
    const denominator = dot(top(rows, finalTotalValue, k), values);
    if (denominator > 0) {
      shares.push(numerator / denominator);
      picked += numerator;
      best += denominator;
    }
  }
  const mean = meanOf(shares, groups.length === 0 ? 'no requests' : 'no request has a positive total value');
  const value = { ...mean, pooled: best > 0 ? picked / best : null, softSkipped: groups.length - shares.length };
  return withSkipped(value, skipped);
}

/**
 * Recall@K of exposures or clicks: |TopK ∩ E| / |E|, E the rows with a non-zero `relevant`; mean over sessions with any.
 */
export function relevantRecall(
  scores: Numbers,
  relevant: Numbers,
  sessions: Numbers,
  k: number,
  options: RecallOptions = {},
): RecallValue {
  requireK('relevantRecall', 'K', k);
  const { groups, skipped } = requestsOf('relevantRecall', { scores, relevant }, sessions, options);
  const top = topOf(options);
  const shares = groups.flatMap((rows) => {
    const flags = Float64Array.from(rows, (row) => (at(relevant, row) !== 0 ? 1 : 0));
    const count = flags.reduce((sum, flag) => sum + flag, 0);
    return count === 0 ? [] : [dot(top(rows, scores, k), flags) / count];
  });
  return withSkipped(meanOf(shares, 'no session has a relevant row'), skipped);
}
