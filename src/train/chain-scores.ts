/**
 * Scores of a model of the whole chain (ECM, CIKM 2022): t1 = pETCTR and t2 = pETR − pETCTR, which order candidates by click and by
 * exposure without one, beside etr = pETR.
 */
import type { MetricName } from '../config/types.js';
import { ROLE_COLUMNS, type Role } from '../data/features.js';
import { auc, gauc, type Numbers, relevantRecall } from '../metrics/index.js';
import type { EncodedSet } from './encoded-set.js';
import type { MetricValues } from './evaluation-result.js';
import { type Predictions, readPredictions } from './predictor.js';

export const CHAIN_SCORES = ['t1', 't2', 'etr'] as const;

export type ChainScore = (typeof CHAIN_SCORES)[number];

/** The scores of every row, [rows] each; null when the model has no task etr or no task etctr. */
export function chainScores(predictions: Predictions): Readonly<Record<ChainScore, Float64Array>> | null {
  const [exposed, clicked] = [predictions.get('etr'), predictions.get('etctr')];
  if (exposed === undefined || clicked === undefined) return null;
  const [etr, t1] = [readPredictions(exposed), readPredictions(clicked)];
  return { t1, t2: etr.map((value, row) => value - (t1[row] ?? Number.NaN)), etr };
}

/** K of the recalls beside the configured one. */
const RECALLS = [1, 10, 50];

/**
 * What each score is worth over a log with impressions and clicks: AUC and GAUC of clicks among the exposed rows, and where rows have
 * requests the recall of exposed and of clicked candidates by the first K of each request.
 */
export function chainScoreMetrics(
  set: Pick<EncodedSet, 'columns' | 'column'>,
  predictions: Predictions,
  { wanted, k }: { readonly wanted: readonly MetricName[]; readonly k: number },
): Readonly<Record<ChainScore, MetricValues>> | null {
  const scores = chainScores(predictions);
  const column = (role: Role): Numbers | undefined => {
    const { column: name } = ROLE_COLUMNS[role];
    return set.columns.has(name) ? set.column(name) : undefined;
  };
  const [shown, click, request] = [column('impression'), column('click'), column('request')];
  if (scores === null || shown === undefined || click === undefined) return null;
  const mask = Float64Array.from(shown, (flag, row) => (flag !== 0 && !Number.isNaN(click[row]) ? 1 : 0));
  const clicked = Float64Array.from(click, (value, row) => (mask[row] === 1 && value > 0.5 ? 1 : 0));
  const of = (score: Float64Array): MetricValues => {
    const values: Record<string, number | null> = {};
    if (wanted.includes('auc')) values.auc = auc(score, clicked, { mask }).value;
    if (request === undefined) return values;
    if (wanted.includes('gauc')) values.gauc = gauc(score, clicked, request, { mask }).value;
    for (const first of [...new Set([...RECALLS, k])].sort((a, b) => a - b)) {
      values[`exposureRecall${first}`] = relevantRecall(score, shown, request, first).value;
      values[`clickRecall${first}`] = relevantRecall(score, clicked, request, first).value;
    }
    return values;
  };
  return { t1: of(scores.t1), t2: of(scores.t2), etr: of(scores.etr) };
}
