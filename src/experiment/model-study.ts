/** Studies that compare models trained on the same simulated log by how they rank the rows of another. */
import type { SimulationConfig, SimulationInput } from '../cascade/config.js';
import type { ConfigInput } from '../config/schema.js';
import type { Score } from './judge-ranking.js';
import type { ModelMeasureName } from './model-measures.js';
import type { RowPlan } from './study.js';

/** A model, and its settings over those that all models of the study share. */
export interface ModelPlan {
  readonly model: NonNullable<ConfigInput['model']>;
  /** Instead of all that the study has. */
  readonly tasks?: ConfigInput['tasks'];
  readonly training?: ConfigInput['training'];
}

/** A model, and the score by which it ranks. */
export interface ModelArm {
  readonly model: string;
  /** null: the model is judged by its predictions of the tasks. */
  readonly score: Score | null;
}

/** A simulated system, and the arms that are compared in it. */
export interface ModelWorldPlan {
  readonly name: string;
  /** Over the configuration that the experiment starts from. */
  readonly simulation: SimulationInput;
  readonly arms: readonly string[];
}

/** Every model as an arm of its own, judged by its tasks. */
export function armsOf(models: Readonly<Record<string, ModelPlan>>): Record<string, ModelArm> {
  return Object.fromEntries(Object.keys(models).map((model) => [model, { model, score: null }]));
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
  readonly arms: Readonly<Record<string, ModelArm>>;
  readonly worlds: readonly ModelWorldPlan[];
  /** The metrics shown of every model, the most telling one first. */
  readonly shown: readonly ModelMeasureName[];
  readonly rows: readonly RowPlan<ModelMeasureName>[];
}
