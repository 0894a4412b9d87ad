/**
 * What a model is, for the rest of the library: plans plus how their inputs are fed from an encoded dataset.
 */
import type { Place, PwiserConfig } from '../config/types.js';
import type { FeatureMap } from '../data/features.js';
import type { BalancingRequest } from '../graph/index.js';
import type { LoaderSpec, ParameterSpec } from '../runtime/native.js';
import type { LossKind, Plan } from '../runtime/plan.js';

/** Rows in a sample, and about how many rows of the log they stand for. */
export interface Sample {
  readonly kept: number;
  readonly raw: number;
}

/** What a sample has of the rows of a task with the event and without it. */
export interface TaskSample {
  readonly positives: Sample;
  readonly negatives: Sample;
}

/** A task as the model sees it; where its target comes from is the trainer's business. */
export interface ModelTask {
  readonly name: string;
  readonly kind: LossKind;
  /** λ of the task in the total loss. */
  readonly weight: number;
  readonly delta: number;
  /** Train on the logits of another task instead of an own head (teacher with `target: ctr`, Eq. 4 taken literally). */
  readonly logitsOf?: string;
  /** Its place in a chain of two events; absent for a task that learns a label of its own. */
  readonly place?: Place;
  /** It has an output but no loss: the log of the ratio of both events' probability and the first one's. */
  readonly lossless?: boolean;
  /** In training, of rows whose sampling is undone in the logits. */
  readonly sample?: TaskSample;
}

/** A plan and the loader inputs that feed it, in the plan's order. */
export interface ModelProgram {
  readonly plan: Plan;
  /** Every parameter the plan uses, tables included: what the store must hold. */
  readonly parameters: readonly ParameterSpec[];
  readonly dense: LoaderSpec['dense'];
  readonly ids: LoaderSpec['ids'];
  /** For each of the plan's tasks the name of the task whose rows and target it takes. */
  readonly sources: readonly string[];
}

/** Forward to the gates only; one output per gate, named by it: its weights, [rows, experts]. */
export interface GatingProgram {
  readonly program: ModelProgram;
  /** Names by gate. */
  readonly experts: ReadonlyMap<string, readonly string[]>;
  /** Gates whose weights are of connections, which are open or closed, and add up to nothing. */
  readonly connections: ReadonlySet<string>;
}

/** Programs of a model whose scores need of an ad only a vector of the ad's own. */
export interface SidePrograms {
  /** From ad features: one output, row [width]. */
  readonly ads: ModelProgram;
  /** From user features, once per request, and the ads' vectors: the outputs of the prediction program. */
  readonly scoring: ModelProgram;
  /** Numbers of an ad's vector. */
  readonly width: number;
}

/** What any model can be trained with. */
export interface TrainingOptions {
  readonly balancing?: BalancingRequest | undefined;
  readonly pwiser?: PwiserConfig | undefined;
}

/** How a model predicts. */
export interface PredictionOptions {
  /** User features and the user tower run once per request. */
  readonly requestDomain?: boolean;
  /** Values of the parameters, when they no longer change: what they have switched off is left out, and the outputs stay the same. */
  readonly weights?: ((parameter: string) => Float32Array) | undefined;
}

/** One architecture: each is one file of `src/models/` and is listed in `registry.ts`. */
export interface Architecture<Config> {
  readonly kind: string;
  /** Forward, backward and loss over the tasks, in their order, and over the terms that the model adds. */
  training(config: Config, features: FeatureMap, tasks: readonly ModelTask[], options?: TrainingOptions): ModelProgram;
  /** Forward only; one output per task that has one, named by task: logits (bce), values, or the log of a ratio, [rows, 1]. */
  prediction(
    config: Config,
    features: FeatureMap,
    tasks: readonly ModelTask[],
    options?: PredictionOptions,
  ): ModelProgram;
  /** Null without gates. */
  gating(config: Config, features: FeatureMap, tasks: readonly ModelTask[]): GatingProgram | null;
  /** Null where layers read features of user and ad together. */
  sides(config: Config, features: FeatureMap, tasks: readonly ModelTask[]): SidePrograms | null;
}
