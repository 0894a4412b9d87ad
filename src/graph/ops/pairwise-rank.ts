/**
 * A pairwise loss over the rows of a batch: rows with an event score above others by a margin. Rows that train both tasks take
 * part. `event`: target of that task above ½; the others are near misses where the target of the task `condition` is above ½,
 * else plain. With pairs (i, j) of an event and a near miss or plain row, φ the hinge or its square and weights w of the rows:
 * Σ w_i w_j φ(margin − (s_i − s_j)) / Σ w_i w_j (`norm` mean) or not divided (sum), for near misses and plain rows apart, added up.
 */
import type { OpDefinition } from '../definition.js';
import { describe, graphError, type Value } from '../graph.js';
import { operands, sameDomain } from '../shapes.js';

export interface PairwiseOptions {
  /** Numbers of the plan's tasks. */
  readonly event: number;
  readonly condition: number;
  /** Of an event over a near miss, and over a plain row. */
  readonly nearMargin: number;
  readonly plainMargin: number;
  readonly surrogate: 'hinge' | 'squaredHinge';
  readonly norm: 'mean' | 'sum';
}

/** dScore = slope · Σ over the batch of dLoss. */
export const pairwiseRankGrad: OpDefinition = {
  kind: 'pairwiseRank.grad',
  wholeBatch: true,
  infer(inputs, _attributes, layer) {
    const [dLoss, slope] = operands(inputs, 2, layer);
    sameDomain(dLoss, slope, layer);
    return [{ domain: 'row', shape: [1] }];
  },
};

/** score [1] → the loss [1], the same in every row, and its slope [1] by the row's score. */
export const pairwiseRankOp: OpDefinition = {
  kind: 'pairwiseRank',
  wholeBatch: true,
  infer(inputs, _attributes, layer) {
    const [score] = operands(inputs, 1, layer);
    if (score.domain !== 'row' || score.width !== 1) {
      throw graphError(layer, `the score ${score.name} is ${describe(score)}`, 'pairs of rows need row [1]');
    }
    return [
      { domain: 'row', shape: [1] },
      { domain: 'row', shape: [1] },
    ];
  },
  gradient(context, operation, [dLoss]) {
    const [score] = operands(operation.inputs, 1, operation.layer);
    const slope = operation.outputs[1];
    if (dLoss === undefined || slope === undefined) return;
    context.add(score, context.emit(pairwiseRankGrad, [dLoss, slope]));
  },
};

/** The loss, row [1]. */
export function pairwiseRank(score: Value, options: PairwiseOptions, name = 'pairwise_rank'): Value {
  const [loss] = score.graph.emit(pairwiseRankOp, [score], {
    layer: score.graph.layer(name),
    attributes: { ...options },
  });
  return loss as Value;
}
