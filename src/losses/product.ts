/** Probabilities of a chain of events, in the logits, where neither tiny products nor their complements lose digits. */
import { add, concat, logSumExp, neg, softplus, sub, type Value } from '../graph/index.js';

/** The logit of σ(a) σ(b), row [1]: 1 / (σ(a) σ(b)) − 1 = e^−a + e^−b + e^−(a + b). */
export function productLogit(a: Value, b: Value): Value {
  return neg(logSumExp(concat([neg(a), neg(b), neg(add(a, b))], 'odds'), 'product'));
}

/** log(σ(a) / σ(b)), row [1]; above 0 where a is the more likely event. */
export function logRatio(a: Value, b: Value): Value {
  return sub(softplus(neg(b)), softplus(neg(a)), 'ratio');
}
