/** Studies that compare models trained on the same simulated log by how they rank the rows of another. */
import type { SimulationConfig, SimulationInput } from '../cascade/config.js';
import type { ConfigInput } from '../config/schema.js';
import type { ModelMeasureName } from './model-measures.js';
import type { RowPlan } from './study.js';

/** A model, and its settings over those that all models of the study share. */
export interface ModelPlan {
  readonly model: NonNullable<ConfigInput['model']>;
  readonly training?: ConfigInput['training'];
}

/** A simulated system, and the models that are trained on its log. */
export interface ModelWorldPlan {
  readonly name: string;
  /** Over the configuration that the experiment starts from. */
  readonly simulation: SimulationInput;
  readonly models: readonly string[];
}

export interface ModelStudy {
  readonly kind: 'models';
  readonly name: string;
  readonly title: string;
  /** What is compared, in a sentence or two. */
  readonly text: string;
  /** What the models read of the logs in a folder. */
  readonly data: (simulation: SimulationConfig, logs: string) => ConfigInput['data'];
  readonly tasks: NonNullable<ConfigInput['tasks']>;
  readonly training: NonNullable<ConfigInput['training']>;
  readonly models: Readonly<Record<string, ModelPlan>>;
  readonly worlds: readonly ModelWorldPlan[];
  /** The metrics shown of every model, the most telling one first. */
  readonly shown: readonly ModelMeasureName[];
  readonly rows: readonly RowPlan<ModelMeasureName>[];
}
