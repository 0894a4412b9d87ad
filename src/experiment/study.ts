/** What a study consists of: simulated worlds, runs trained on their logs, arms made of runs, and rows that compare arms. */
import type { SimulationInput } from '../cascade/config.js';
import type { ConfigInput } from '../config/schema.js';
import type { MeasureName } from './measures.js';
import type { MetricName } from './metric-names.js';

/** What a run trains on. */
export type TrainingRows =
  /** Shown ads alone. */
  | 'impressions'
  /** With a sample of the ads that were not shown. */
  | 'augmented'
  /** The same, with one CQS label in a hundred twenty times too large. */
  | 'outliers';

export interface RunPlan {
  readonly rows: TrainingRows;
  readonly tasks: NonNullable<ConfigInput['tasks']>;
  /** Over the training settings that all runs share. */
  readonly training?: ConfigInput['training'];
  /** One pass in the order of time, as a system that learns online, up to this share of the rows. */
  readonly online?: number;
}

/** Σ scalar · P(event) of single-event runs. */
export interface EventModels {
  readonly events: readonly { readonly run: string; readonly event: string }[];
}

/** Runs by their names. */
export interface TrainedArmPlan {
  readonly ctr: { readonly run: string; readonly head?: 'ctr' | 'teacher' };
  /** null: the total value has no quality. */
  readonly quality: { readonly run: string } | EventModels | null;
}

/** Knows the truth: an upper bound. */
export interface OracleArmPlan {
  readonly oracle: true;
}

/** Passes on ads by chance. */
export interface RandomArmPlan {
  readonly random: true;
}

/** The final stage itself, judged as if it were the early one. */
export interface FinalArmPlan {
  readonly final: true;
}

export type ArmPlan = TrainedArmPlan | OracleArmPlan | RandomArmPlan | FinalArmPlan;

/** A simulated system, and the arms that are judged in it. */
export interface WorldPlan {
  readonly name: string;
  /** Over the configuration that the experiment starts from. */
  readonly simulation: SimulationInput;
  /**
   * The final stage is a model (docs/simulate.md) that was trained on the impressions of so many earlier requests, in the place of
   * the truth with errors.
   */
  readonly finalTrainedOn?: number;
  readonly arms: readonly string[];
}

export type Sign = 1 | -1;

/** A row of a table: treatment against control by one metric. */
export interface RowPlan<Metric extends MetricName = MeasureName> {
  readonly table: string;
  readonly row: string;
  readonly measure: Metric;
  readonly control: ArmIn;
  readonly treatment: ArmIn;
  /** The paper's figure: a change as a fraction (or absolute, as the measure), or its words; null where it says nothing. */
  readonly paper: number | string | null;
  /** Sign that is expected of the change; null where none is. */
  readonly sign: Sign | null;
  /** Whether the experiment fails without that sign at p < .05. */
  readonly required: boolean;
}

/** An arm in a world. */
export interface ArmIn {
  readonly world: string;
  readonly arm: string;
}

/** One text for each arm in each world. */
export function armKey({ world, arm }: ArmIn): string {
  return JSON.stringify([world, arm]);
}

/** A metric of arms along a number, such as the noise of the final stage. */
export interface CurvePlan {
  readonly title: string;
  readonly measure: MeasureName;
  /** What the number is. */
  readonly x: string;
  readonly series: readonly { readonly name: string; readonly points: readonly CurvePoint[] }[];
}

export interface CurvePoint {
  readonly x: number;
  readonly arm: ArmIn;
}

/** Compares early stages in the cascade that they drive. */
export interface CascadeStudy {
  readonly kind: 'cascade';
  readonly name: string;
  readonly title: string;
  /** What is compared, in a sentence or two. */
  readonly text: string;
  readonly runs: Readonly<Record<string, RunPlan>>;
  readonly arms: Readonly<Record<string, ArmPlan>>;
  readonly worlds: readonly WorldPlan[];
  readonly rows: readonly RowPlan[];
  readonly curves?: readonly CurvePlan[];
}
