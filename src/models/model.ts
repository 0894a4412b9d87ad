/**
 * What a model is, for the rest of the library: plans plus how their inputs are fed from an encoded dataset.
 */
import type { FeatureMap } from '../data/features.js';
import type { BalancingRequest } from '../graph/index.js';
import type { LoaderSpec, ParameterSpec } from '../runtime/native.js';
import type { LossKind, Plan } from '../runtime/plan.js';

/** A task as the model sees it; where its target comes from is the trainer's business. */
export interface ModelTask {
  readonly name: string;
  readonly kind: LossKind;
  /** λ of the task in the total loss. */
  readonly weight: number;
  readonly delta: number;
  /** Train on the logits of another task instead of an own head (teacher with `target: ctr`, Eq. 4 taken literally). */
  readonly logitsOf?: string;
}

/** A plan and the loader inputs that feed it, in the plan's order. */
export interface ModelProgram {
  readonly plan: Plan;
  /** Every parameter the plan uses, tables included: what the store must hold. */
  readonly parameters: readonly ParameterSpec[];
  readonly dense: LoaderSpec['dense'];
  readonly ids: LoaderSpec['ids'];
}

/** One architecture: each is one file of `src/models/` and is listed in `registry.ts`. */
export interface Architecture<Config> {
  readonly kind: string;
  /** Forward, backward and loss over the tasks, in their order. */
  training(
    config: Config,
    features: FeatureMap,
    tasks: readonly ModelTask[],
    options?: { readonly balancing?: BalancingRequest | undefined },
  ): ModelProgram;
  /** Forward only; one output per task that has its own logits, named by task: logits (bce) or values, [rows, 1].
   *  `requestDomain`: user features and the user tower run once per request. */
  prediction(
    config: Config,
    features: FeatureMap,
    tasks: readonly ModelTask[],
    options?: { readonly requestDomain?: boolean },
  ): ModelProgram;
}
