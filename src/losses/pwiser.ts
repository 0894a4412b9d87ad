/**
 * PWiseR (arXiv 2406.02163) as reconstructed from its abstract: converted impressions score above clicked ones without a
 * conversion by one margin and above unclicked ones by another, beside the tasks' cross entropies. The plain O(n²) definition in
 * float64; the operation `pairwiseRank` evaluates it in O(n log n).
 */
import { type PairwiseOptions, pairwiseRank, sigmoid, type Value } from '../graph/index.js';

export type Pairs = Omit<PairwiseOptions, 'event' | 'condition'>;

/** What a row is: converted, clicked only, not clicked; absent rows take no part. */
export type PairClass = 'event' | 'near' | 'plain' | 'absent';

export interface PairwiseResult {
  readonly loss: number;
  /** By score. */
  readonly slopes: Float64Array;
}

/** A term without pairs is 0. */
export function pairwiseLoss(
  scores: ArrayLike<number>,
  classes: readonly PairClass[],
  weights: ArrayLike<number>,
  options: Pairs,
): PairwiseResult {
  const slopes = new Float64Array(scores.length);
  let loss = 0;
  const rows = (wanted: PairClass): number[] => classes.flatMap((found, row) => (found === wanted ? [row] : []));
  const at = (values: ArrayLike<number>, row: number): number => values[row] ?? Number.NaN;
  const squared = options.surrogate === 'squaredHinge';
  for (const [other, margin] of [
    ['near', options.nearMargin],
    ['plain', options.plainMargin],
  ] as const) {
    const pairs = rows('event').flatMap((i) =>
      rows(other).map((j) => [i, j, at(weights, i) * at(weights, j)] as const),
    );
    const total = pairs.reduce((sum, [, , weight]) => sum + weight, 0);
    if (total === 0) continue;
    for (const [i, j, weight] of pairs) {
      const gap = Math.max(0, margin - at(scores, i) + at(scores, j));
      const scale = options.norm === 'mean' ? weight / total : weight;
      loss += scale * (squared ? gap * gap : gap);
      const slope = scale * (squared ? 2 * gap : gap > 0 ? 1 : 0);
      slopes[i] = at(slopes, i) - slope;
      slopes[j] = at(slopes, j) + slope;
    }
  }
  return { loss, slopes };
}

/** The loss over a batch from logits, row [1]: of the logits themselves or of the probabilities. */
export function pwiser(logit: Value, space: 'logit' | 'prob', options: PairwiseOptions, name: string): Value {
  return pairwiseRank(space === 'prob' ? sigmoid(logit) : logit, options, name);
}
