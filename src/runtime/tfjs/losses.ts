/** The task losses of a plan as tensors: what the fused native loss computes, left to TensorFlow's differentiation. */
import type { Tensor } from '@tensorflow/tfjs';
import type { LossKind, PlanTask } from '../plan.js';
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
