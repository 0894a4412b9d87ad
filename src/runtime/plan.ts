/**
 * The plan: what a model is compiled to. Plain data, the mirror of `native/include/prerank/plan.h`;
 * every runtime (native, tfjs) executes the same plan.
 */

/** What the leading dimension of a value counts. */
export type Domain = 'none' | 'request' | 'row';

/** Where a value's memory is; see plan.h for the meaning of each. */
export type Storage = 'tile' | 'full' | 'input' | 'param' | 'none' | 'grad';

/** A matrix view: row r starts at base(root) + r * stride + column, in floats. */
export interface PlanValue {
  readonly name: string;
  readonly domain: Domain;
  readonly storage: Storage;
  /** Without the leading row/request dimension; `[]` is a scalar. */
  readonly shape: readonly number[];
  /** Product of `shape`. */
  readonly width: number;
  readonly root: number;
  readonly column: number;
  readonly stride: number;
  readonly offset: number;
  readonly binding: number;
}

export type AttributeValue = number | string | readonly number[];

export interface PlanOp {
  readonly kind: string;
  /** Dotted layer name, for errors and profiles. */
  readonly layer: string;
  readonly backward: boolean;
  /** Part of the key of the op's random bits. */
  readonly id: number;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

/** batch: rows, all of them at once, between tiles. */
export type Phase = 'prologue' | 'tiles' | 'batch' | 'reduced';

export interface PlanSegment {
  readonly domain: Domain;
  readonly phase: Phase;
  readonly ops: readonly PlanOp[];
}

export interface PlanDenseInput {
  readonly name: string;
  readonly domain: Domain;
  readonly width: number;
}

export interface PlanIdInput {
  readonly name: string;
  readonly domain: Domain;
  readonly multi: boolean;
  readonly weighted: boolean;
  /** Index in `Plan.tables`. */
  readonly table: number;
}

export interface PlanTable {
  /** The parameter's name: `embeddings.<table>`. */
  readonly name: string;
  readonly rows: number;
  readonly dim: number;
}

export interface PlanParameter {
  readonly name: string;
  readonly shape: readonly number[];
  /** Value id of its gradient, −1 when this plan does not train it. */
  readonly grad: number;
}

export type Pooling = 'sum' | 'mean';

export interface PlanSparseGradient {
  readonly idInput: number;
  readonly value: number;
  readonly pooling: Pooling;
}

/** mean: the value itself, whatever the target: a term that a model adds. */
export type LossKind = 'bce' | 'mse' | 'huber' | 'pseudo-huber' | 'log-cosh' | 'mean';

/** Task k of the fused loss; its mask is bit k, its target `targets[k]` of the batch. */
export interface PlanTask {
  readonly name: string;
  readonly kind: LossKind;
  /** λ of the task. */
  readonly weight: number;
  /** Huber, pseudo-Huber: the edge δ; log-cosh: the scale s of r/s. */
  readonly delta: number;
  /** Which input of the loss op holds its logits. */
  readonly logits: number;
}

export const BALANCINGS = ['fixed', 'uncertainty', 'pcgrad', 'mgda'] as const;

export type BalancingKind = (typeof BALANCINGS)[number];

export const GRADIENT_NORMS = ['none', 'l2', 'loss', 'loss+'] as const;

/** By what MGDA divides the tasks' gradients before it weighs them; loss+: loss · l2. */
export type GradientNorm = (typeof GRADIENT_NORMS)[number];

/** A gradient by the logits that it comes from: one value each, −1 where it does not depend on them. */
export interface PlanParts {
  readonly values: readonly number[];
}

/** How tasks share parameters. Tasks that train the same logits count as one. */
export interface PlanBalancing {
  readonly kind: BalancingKind;
  readonly normalisation: GradientNorm;
  /** Gradients of the parameters that several logits depend on. The combination replaces the first part. */
  readonly dense: readonly PlanParts[];
  /** dL/d(pooled) to combine as the dense ones. */
  readonly pooled: readonly PlanParts[];
  /** uncertainty: index in `parameters` of one log-variance per task; else −1. */
  readonly logVariances: number;
}

export interface PlanOutput {
  readonly name: string;
  readonly value: number;
}

/** How the parameters of a plan start; the store draws them. */
export type Init =
  | { readonly kind: 'zero' }
  | { readonly kind: 'constant' | 'uniform' | 'normal'; readonly scale: number };

export interface Plan {
  readonly tileRows: number;
  readonly tileFloats: number;
  readonly noneFloats: number;
  readonly accumulatorFloats: number;
  readonly values: readonly PlanValue[];
  readonly segments: readonly PlanSegment[];
  readonly denseInputs: readonly PlanDenseInput[];
  readonly idInputs: readonly PlanIdInput[];
  readonly tables: readonly PlanTable[];
  readonly parameters: readonly PlanParameter[];
  readonly sparseGradients: readonly PlanSparseGradient[];
  readonly tasks: readonly PlanTask[];
  readonly balancing?: PlanBalancing;
  readonly outputs: readonly PlanOutput[];
}
