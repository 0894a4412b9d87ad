/** The metrics by which models are compared on an evaluation log: members of a run's `metrics.eval`. */
import type { MetricText } from './measures.js';

interface ModelMeasure extends MetricText {
  readonly task: string;
  readonly metric: string;
}

function aucOf(task: string, title: string): ModelMeasure {
  return { title, task, metric: 'auc', change: 'absolute' };
}

export const MODEL_MEASURES = {
  ctrAuc: aucOf('ctr', 'AUC of CTR'),
  cvrAuc: aucOf('cvr', 'AUC of CVR'),
  ctcvrAuc: aucOf('ctcvr', 'AUC of CTCVR'),
} as const satisfies Readonly<Record<string, ModelMeasure>>;

export type ModelMeasureName = keyof typeof MODEL_MEASURES;
