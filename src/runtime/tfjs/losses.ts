/** The task losses of a plan as tensors: what the fused native loss computes, left to TensorFlow's differentiation. */
import type { Tensor } from '@tensorflow/tfjs';
import { PrerankError } from '../../base/errors.js';
import type { ArrayBatch } from '../native.js';
import type { LossKind, Plan, PlanOp, PlanTask } from '../plan.js';
import type { Tf } from './load.js';

/** ℓ of every row, from logits and targets [rows, 1]. */
export function rowLoss(tf: Tf, task: PlanTask, logits: Tensor, targets: Tensor): Tensor {
  if (task.kind === 'bce') return tf.sub(tf.softplus(logits), tf.mul(targets, logits));
  if (task.kind === 'mean') return logits;
  const residual = tf.sub(logits, targets);
  const { delta } = task;
  switch (task.kind) {
    case 'mse':
      return tf.square(residual);
    case 'huber': {
      const size = tf.abs(residual);
      const inner = tf.mul(tf.square(residual), 0.5);
      const outer = tf.mul(tf.sub(size, delta / 2), delta);
      return tf.where(tf.lessEqual(size, delta), inner, outer);
    }
    case 'pseudo-huber': {
      const root = tf.sqrt(tf.add(tf.square(tf.div(residual, delta)), 1));
      return tf.mul(tf.sub(root, 1), delta * delta);
    }
    case 'log-cosh': {
      const scaled = tf.div(residual, delta);
      return tf.sub(tf.sub(tf.softplus(tf.mul(scaled, 2)), scaled), Math.LN2);
    }
  }
}

/** The prediction of a task from its logits. */
export function prediction(tf: Tf, kind: LossKind, logits: Tensor): Tensor {
  return kind === 'bce' ? tf.sigmoid(logits) : logits;
}

/** The rows of a batch that train a task. */
export interface TaskRows {
  /** λ-free weight of each row, 0 where the row does not train the task. */
  readonly weights: Float32Array;
  /** 0 where the row does not train the task. */
  readonly targets: Float32Array;
  /** 1 / Σ weights, 0 without rows. */
  readonly inverse: number;
}

export function taskRows(batch: ArrayBatch, task: number): TaskRows {
  const active = (row: number): boolean => ((batch.taskMask?.[row] ?? 0) >>> task) % 2 === 1;
  const map = (value: (row: number) => number): Float32Array =>
    Float32Array.from({ length: batch.rows }, (_, row) => (active(row) ? value(row) : 0));
  const weights = map((row) => batch.weight?.[row] ?? 1);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return {
    weights,
    targets: map((row) => batch.targets?.[task]?.[row] ?? Number.NaN),
    inverse: total > 0 ? 1 / total : 0,
  };
}

/** A value a row, [rows, 1]. */
export function columnOf(tf: Tf, values: Float32Array): Tensor {
  return tf.tensor2d(values, [values.length, 1]);
}

/** Mean of the losses [rows, 1] over the rows of a task. */
export function meanLoss(tf: Tf, losses: Tensor, { weights, inverse }: TaskRows): Tensor {
  return tf.mul(tf.sum(tf.mul(losses, columnOf(tf, weights))), inverse);
}

/** The loss operation, whose inputs are the tasks' logits. */
export function lossOf(plan: Plan): PlanOp {
  const loss = plan.segments.flatMap(({ ops }) => ops).find(({ kind }) => kind === 'loss');
  if (loss === undefined) {
    throw new PrerankError('INVALID_ARGUMENT', 'the plan has no loss; step needs a training plan');
  }
  return loss;
}
