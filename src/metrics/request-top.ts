/** The top K of every request of a log, as marks on its rows. */
import { MetricInputError, type Numbers, requireK } from './value.js';

/** Rows grouped by request. */
export interface RequestRows {
  /** Codes, ascending. */
  readonly codes: Uint32Array;
  /** Rows of request i: rows[starts[i]] … rows[starts[i + 1] − 1], ascending. */
  readonly starts: Uint32Array;
  readonly rows: Uint32Array;
}

/** Groups the rows that `keep` says, in any order, by the code of their request. */
export function groupByRequest(requests: Uint32Array, keep: (row: number) => boolean): RequestRows {
  const kept = Uint32Array.from(requests.keys()).filter(keep);
  const rows = isAscending(kept, requests)
    ? kept
    : kept.sort((a, b) => (requests[a] ?? 0) - (requests[b] ?? 0) || a - b);
  const starts: number[] = [];
  for (let i = 0; i < rows.length; i += 1) {
    if (i === 0 || requests[rows[i] as number] !== requests[rows[i - 1] as number]) starts.push(i);
  }
  const codes = Uint32Array.from(starts, (start) => requests[rows[start] as number] as number);
  return { codes, starts: Uint32Array.from([...starts, rows.length]), rows };
}

function isAscending(rows: Uint32Array, requests: Uint32Array): boolean {
  return rows.every((row, i) => i === 0 || (requests[rows[i - 1] as number] as number) <= (requests[row] as number));
}

/**
 * 1 for every row among the k best of its request by score, equal scores by row; [length of scores].
 * @throws MetricInputError for a k that is no positive integer, or a grouped row whose score is not finite.
 */
export function markTop({ starts, rows }: RequestRows, scores: Numbers, k: number): Uint8Array {
  requireK('replay', 'k', k);
  const marks = new Uint8Array(scores.length);
  for (const row of rows) {
    if (!Number.isFinite(scores[row])) {
      throw new MetricInputError('replay', `the score of row ${row} is ${scores[row]}`, row);
    }
  }
  for (let i = 0; i + 1 < starts.length; i += 1) {
    const order = rows.slice(starts[i], starts[i + 1]);
    order.sort((a, b) => (scores[b] as number) - (scores[a] as number) || a - b);
    for (const row of order.subarray(0, k)) marks[row] = 1;
  }
  return marks;
}
