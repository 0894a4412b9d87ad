/**
 * The fused multi-task loss: Σ_k λ_k · Σ_r ω ℓ_k / Σ_r ω over the rows that train task k, and its gradient with
 * respect to every logit, in one pass. The tasks themselves are the plan's.
 */
import type { LossKind } from '../../runtime/plan.js';
import type { OpDefinition } from '../definition.js';
import { describe, graphError, type Value } from '../graph.js';

/** logits [1] each → dL/dlogits [1] each. */
export const lossOp: OpDefinition = {
  kind: 'loss',
  infer(inputs, _attributes, layer) {
    for (const logits of inputs) {
      if (logits.domain !== 'row' || logits.width !== 1) {
        throw graphError(layer, `logits ${logits.name} is ${describe(logits)}`, 'a task needs row [1]');
      }
    }
    return inputs.map(() => ({ domain: 'row', shape: [1] }));
  },
};

/** A task of the loss; two tasks may name the same logits. */
export interface TaskLoss {
  readonly name: string;
  readonly kind: LossKind;
  /** λ ≥ 0. */
  readonly weight: number;
  /** Huber, pseudo-Huber: the edge δ > 0; log-cosh: the scale s of r / s. */
  readonly delta: number;
  /** row [1]: the logit of bce, the predicted value of the regression losses. */
  readonly logits: Value;
}
