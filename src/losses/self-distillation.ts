/** Self-distillation of several learners of one task (TAML, Liu et al. 2023, eq. 2–3). */
import { affine, mul, rowSum, sigmoid, softplus, stopGradient, sub, type Value } from '../graph/index.js';

export interface SelfDistillationOptions {
  /** No gradient passes through the target. */
  readonly stopGradient: boolean;
  /** Over the learners. */
  readonly reduce: 'sum' | 'mean';
}

/** The mean of the learners' logits `each`, row [learners]: the logit of what they say together, row [1]. */
export function meanLogit(each: Value): Value {
  return affine(rowSum(each), 1 / each.width, 0);
}

/**
 * Σ_l softplus(s_l) − p s_l with p = σ(together), row [1]: the cross entropies −p log p_l − (1 − p) log(1 − p_l). The second
 * factor is printed as 1 − log p_l, which has no lower bound.
 */
export function selfDistillation(each: Value, together: Value, options: SelfDistillationOptions, name: string): Value {
  const p = sigmoid(together);
  const target = options.stopGradient ? stopGradient(p) : p;
  const sum = sub(rowSum(softplus(each)), mul(target, rowSum(each)), name);
  return options.reduce === 'mean' ? affine(sum, 1 / each.width, 0) : sum;
}
