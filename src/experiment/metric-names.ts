/** Every metric that a row of an experiment may be about. */
import { MEASURES, type MeasureName, type MetricText } from './measures.js';
import { MODEL_MEASURES, type ModelMeasureName } from './model-measures.js';

export type MetricName = MeasureName | ModelMeasureName;

export const METRIC_TEXTS: Readonly<Record<MetricName, MetricText>> = { ...MEASURES, ...MODEL_MEASURES };
