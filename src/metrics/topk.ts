/** Top-K of a request: score descending, ties by row ascending, or the expectation over random tie-breaking. */
import { at, type Numbers } from './value.js';

/** The rows by score, best first. */
export function ranked(rows: Uint32Array, scores: Numbers): Uint32Array {
  return Uint32Array.from(rows).sort((a, b) => at(scores, b) - at(scores, a) || a - b);
}

/** Probability of each row (by its place in `rows`) to be among the top k when equal scores are ordered at random. */
export function expectedTop(rows: Uint32Array, scores: Numbers, k: number): Float64Array {
  const order = ranked(rows, scores);
  const share = new Map<number, number>();
  for (let begin = 0; begin < order.length; ) {
    const score = at(scores, at(order, begin));
    let end = begin;
    while (end < order.length && at(scores, at(order, end)) === score) {
      end += 1;
    }
    share.set(score, Math.min(1, Math.max(0, (k - begin) / (end - begin))));
    begin = end;
  }
  return Float64Array.from(rows, (row) => share.get(at(scores, row)) ?? 0);
}

/** Membership of each row (by its place in `rows`) in the top k: 0 or 1. */
export function exactTop(rows: Uint32Array, scores: Numbers, k: number): Float64Array {
  const top = new Set(ranked(rows, scores).subarray(0, k));
  return Float64Array.from(rows, (row) => (top.has(row) ? 1 : 0));
}
