/** The behavioural expectation calibrator (AITM, Xi et al. 2021, eq. 8): a later event is no more likely than an earlier one. */
import { relu, sigmoid, sub, type Value } from '../graph/index.js';

/** max(σ(later) − σ(earlier), 0) from logits row [1]. */
export function calibrator(later: Value, earlier: Value, name: string): Value {
  return relu(sub(sigmoid(later), sigmoid(earlier)), name);
}
