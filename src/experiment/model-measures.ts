/** The metrics by which models are compared: of a task on an evaluation log, or of a score on whole candidate lists. */
import type { MetricText } from './measures.js';
import type { RankingMetrics } from './ranking.js';

interface ModelMeasure extends MetricText {
  /** Task whose metric it is, or `ranking`. */
  readonly of: string;
  readonly metric: string;
}

function aucOf(task: string, title: string): ModelMeasure {
  return { title, of: task, metric: 'auc', change: 'absolute' };
}

/** Group of the metrics of a score. */
export const RANKING = 'ranking';

function ranking(metric: keyof RankingMetrics, title: string): ModelMeasure {
  return { title, of: RANKING, metric, change: 'absolute' };
}

export const MODEL_MEASURES = {
  ctrAuc: aucOf('ctr', 'AUC of CTR'),
  cvrAuc: aucOf('cvr', 'AUC of CVR'),
  ctcvrAuc: aucOf('ctcvr', 'AUC of CTCVR'),
  exposedAuc: ranking('auc', 'AUC'),
  exposedGauc: ranking('gauc', 'GAUC'),
  exposureRecall1: ranking('exposureRecall1', 'Recall@1, exposure'),
  clickRecall1: ranking('clickRecall1', 'Recall@1, click'),
  exposureRecall10: ranking('exposureRecall10', 'Recall@10, exposure'),
  clickRecall10: ranking('clickRecall10', 'Recall@10, click'),
  exposureRecall50: ranking('exposureRecall50', 'Recall@50, exposure'),
  clickRecall50: ranking('clickRecall50', 'Recall@50, click'),
  rcs: ranking('rcs', 'RCS'),
} as const satisfies Readonly<Record<string, ModelMeasure>>;

export type ModelMeasureName = keyof typeof MODEL_MEASURES;
