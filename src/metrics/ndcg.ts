/** Normalised discounted cumulative gain. */
import { groupRows } from './groups.js';
import { ranked } from './topk.js';
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

export interface NdcgOptions extends Omit<RowOptions, 'weights'> {
  /** linear (default): the relevance itself, e.g. a total value; exponential: 2^relevance − 1. */
  readonly gain?: 'linear' | 'exponential';
  /** Negative gains count as 0 (default true). */
  readonly floor?: boolean;
}

export interface NdcgValue extends MetricValue {
  readonly requests: number;
  /** Requests left out because their ideal gain is not positive. */
  readonly skippedRequests: number;
}

function gainOf(relevance: number, { gain, floor }: NdcgOptions): number {
  const value = gain === 'exponential' ? 2 ** relevance - 1 : relevance;
  return floor === false ? value : Math.max(value, 0);
}

function discounted(order: Uint32Array, relevance: Numbers, k: number, options: NdcgOptions): number {
  let sum = 0;
  for (let i = 0; i < Math.min(k, order.length); i += 1) {
    sum += gainOf(at(relevance, at(order, i)), options) / Math.log2(i + 2);
  }
  return sum;
}

/** Mean over requests of DCG@K by score / DCG@K by relevance. */
export function ndcg(
  scores: Numbers,
  relevance: Numbers,
  requests: Numbers,
  k: number,
  options: NdcgOptions = {},
): NdcgValue {
  requireK('ndcg', 'K', k);
  const { rows, skipped } = usedRows('ndcg', { scores, relevance, requests }, options);
  const groups = groupRows(requests, rows);
  let sum = 0;
  let used = 0;
  for (const group of groups.values()) {
    const ideal = discounted(ranked(group, relevance), relevance, k, options);
    if (ideal > 0) {
      sum += discounted(ranked(group, scores), relevance, k, options) / ideal;
      used += 1;
    }
  }
  const value = used > 0 ? defined(sum / used) : undefinedBecause('no request has a positive ideal gain');
  return withSkipped({ ...value, requests: used, skippedRequests: groups.size - used }, skipped);
}
