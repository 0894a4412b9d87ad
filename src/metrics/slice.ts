/** How well an early stage finds the golden set's candidates of a slice (docs/evaluate.md). */
import type { RequestRatio } from './request-metric.js';
import type { RequestRows } from './request-top.js';

/** Candidates with their final total value, and which of them the stages pick; [rows] each. */
export interface PickedCandidates {
  readonly requests: RequestRows;
  readonly final: Float32Array;
  /** Early picks and golden set, 0 or 1. */
  readonly picked: Uint8Array;
  readonly golden: Uint8Array;
}

export const SLICE_METRICS = ['recall', 'recallPooled', 'valueRecall', 'pickedShare', 'goldenShare'] as const;

export type SliceMetrics = Readonly<Record<(typeof SLICE_METRICS)[number], RequestRatio>>;

/** Metrics of a slice as ratios of sums over requests, and how many candidates it has. */
export function sliceMetrics(
  { requests, final, picked, golden }: PickedCandidates,
  has: (row: number) => boolean,
): { readonly candidates: number; readonly metrics: SliceMetrics } {
  const count = requests.codes.length;
  const column = (): Float64Array => new Float64Array(count);
  const [hits, gold, found, worth] = [column(), column(), column(), column()];
  const [picks, allPicks, allGold] = [column(), column(), column()];
  let candidates = 0;
  for (let i = 0; i < count; i += 1) {
    for (const row of requests.rows.subarray(requests.starts[i], requests.starts[i + 1])) {
      const isPicked = picked[row] ?? 0;
      const isGolden = golden[row] ?? 0;
      allPicks[i] = (allPicks[i] ?? 0) + isPicked;
      allGold[i] = (allGold[i] ?? 0) + isGolden;
      if (!has(row)) continue;
      const value = final[row] ?? Number.NaN;
      candidates += 1;
      picks[i] = (picks[i] ?? 0) + isPicked;
      gold[i] = (gold[i] ?? 0) + isGolden;
      hits[i] = (hits[i] ?? 0) + isGolden * isPicked;
      worth[i] = (worth[i] ?? 0) + isGolden * value;
      found[i] = (found[i] ?? 0) + isGolden * isPicked * value;
    }
  }
  const metrics = {
    recall: {
      numerator: hits.map((value, i) => ((gold[i] ?? 0) > 0 ? value / (gold[i] ?? 1) : 0)),
      denominator: gold.map((value) => (value > 0 ? 1 : 0)),
    },
    recallPooled: { numerator: hits, denominator: gold },
    valueRecall: {
      numerator: found.map((value, i) => ((worth[i] ?? 0) > 0 ? value : 0)),
      denominator: worth.map((value) => Math.max(value, 0)),
    },
    pickedShare: { numerator: picks, denominator: allPicks },
    goldenShare: { numerator: gold, denominator: allGold },
  };
  return { candidates, metrics };
}
