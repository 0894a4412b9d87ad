/**
 * Training on a sample as if on the whole log: a class that is kept at rate r is r times as likely there, so its logit in the loss has log r
 * added, which predictions leave out. Exact where a class has one rate.
 */
import { add, affine, constant, type Value } from '../graph/index.js';
import type { ModelTask, Sample } from './model.js';

function logRate({ kept, raw }: Sample): number {
  return kept === 0 ? 0 : Math.log(kept / raw);
}

/** The logit of a task's event as the sample has it. */
export function sampledLogit(logit: Value, { name, sample }: ModelTask): Value {
  if (sample === undefined) return logit;
  return affine(logit, 1, logRate(sample.positives) - logRate(sample.negatives), `${name}.sampled`);
}

/** Logits of both events of a chain, of the first one only, and of neither, row [3], as the sample has them. */
export function sampledClasses(logits: Value, first: ModelTask, both: ModelTask): Value {
  if (first.sample === undefined || both.sample === undefined) return logits;
  const [one, two] = [first.sample.positives, both.sample.positives];
  const only = { kept: one.kept - two.kept, raw: one.raw - two.raw };
  const rates = [two, only, first.sample.negatives].map(logRate);
  return add(logits, constant(logits.graph, rates, 'log_rates'), 'sampled');
}
