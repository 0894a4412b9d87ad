/** Judges a trained run's scores on whole candidate lists. */
import { PrerankError } from '../base/errors.js';
import { ROLE_COLUMNS, type Role } from '../data/features.js';
import type { EncodedSet } from '../train/encoded-set.js';
import { withEvaluationSet } from '../train/evaluate.js';
import { type Predictions, readPredictions } from '../train/predictor.js';
import { createPredictor, openRun } from '../train/run.js';
import { type RankingMetrics, rankingMetrics } from './ranking.js';

/** t1: exposed and clicked; t2: exposed and not clicked; ctr: clicked if exposed. */
export const SCORES = ['t1', 't2', 'ctr'] as const;

export type Score = (typeof SCORES)[number];

/** A score of every row; null where the model does not predict what it is made of. */
function scoreOf(score: Score, predictions: Predictions): Float64Array | null {
  const task = (name: string): Float64Array | null => {
    const prediction = predictions.get(name);
    return prediction === undefined ? null : readPredictions(prediction);
  };
  if (score === 'ctr') return task('ctr');
  const clicked = task('etctr');
  if (score === 't1') return clicked;
  const exposed = task('etr');
  return exposed === null || clicked === null ? null : exposed.map((p, row) => p - (clicked[row] ?? Number.NaN));
}

function roleOf(set: EncodedSet, role: Role): ReturnType<EncodedSet['column']> {
  const { column } = ROLE_COLUMNS[role];
  if (set.columns.has(column)) return set.column(column);
  throw new PrerankError('COLUMN_MISSING', `candidate lists need the role ${role}`, { column });
}

/**
 * By score of those that the run predicts, on a dataset of whole candidate lists.
 * @param passed how many candidates of a request go on.
 */
export async function judgeRanking(
  folder: string,
  dataset: string,
  { passed, threads }: { readonly passed: number; readonly threads?: number },
): Promise<Partial<Record<Score, RankingMetrics>>> {
  const run = await openRun(folder, { threads });
  return withEvaluationSet(run, [dataset], async (set) => {
    const predictions = await createPredictor(run, set.rows).predict(set);
    const lists = {
      requests: roleOf(set, 'request'),
      shown: roleOf(set, 'impression'),
      clicks: roleOf(set, 'click'),
      totalValues: roleOf(set, 'finalTotalValue'),
    };
    const judged = SCORES.flatMap((name): [Score, RankingMetrics][] => {
      const score = scoreOf(name, predictions);
      return score === null ? [] : [[name, rankingMetrics(score, lists, passed)]];
    });
    return Object.fromEntries(judged);
  });
}
