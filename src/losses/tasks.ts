/** The losses of a plan: how each reads its logit, and what its parameter means. */
import type { LossKind } from '../runtime/plan.js';

/** How a logit becomes a prediction. */
export type Link = 'sigmoid' | 'identity';

export interface LossDefinition {
  readonly kind: LossKind;
  readonly link: Link;
  /** Meaning and default of `delta`; null when the loss has none. */
  readonly delta: { readonly meaning: string; readonly fallback: number } | null;
  /** ℓ of one row from the logit (or predicted value) and the target. */
  loss(logit: number, target: number, delta: number): number;
  /** ∂ℓ/∂logit. */
  gradient(logit: number, target: number, delta: number): number;
}

function regression(
  kind: LossKind,
  delta: LossDefinition['delta'],
  loss: (residual: number, delta: number) => number,
  gradient: (residual: number, delta: number) => number,
): LossDefinition {
  return {
    kind,
    link: 'identity',
    delta,
    loss: (prediction, target, edge) => loss(prediction - target, edge),
    gradient: (prediction, target, edge) => gradient(prediction - target, edge),
  };
}

const EDGE = { meaning: 'edge between the quadratic and the linear part, in units of the target', fallback: 1 };
const SCALE = { meaning: 'scale the residual is divided by, e.g. the standard deviation of the target', fallback: 1 };

/** 1 / (1 + e^−a) without overflow. */
export function sigmoid(logit: number): number {
  const decay = Math.exp(-Math.abs(logit));
  return logit >= 0 ? 1 / (1 + decay) : decay / (1 + decay);
}

/** log(1 + e^a) without overflow. */
export function softplus(logit: number): number {
  return Math.max(logit, 0) + Math.log1p(Math.exp(-Math.abs(logit)));
}

export const LOSSES: Readonly<Record<LossKind, LossDefinition>> = {
  bce: {
    kind: 'bce',
    link: 'sigmoid',
    delta: null,
    loss: (logit, target) => softplus(logit) - target * logit,
    gradient: (logit, target) => sigmoid(logit) - target,
  },
  mse: regression(
    'mse',
    null,
    (r) => r * r,
    (r) => 2 * r,
  ),
  huber: regression(
    'huber',
    EDGE,
    (r, d) => (Math.abs(r) <= d ? (r * r) / 2 : d * (Math.abs(r) - d / 2)),
    (r, d) => Math.min(Math.max(r, -d), d),
  ),
  'pseudo-huber': regression(
    'pseudo-huber',
    EDGE,
    (r, d) => d * d * (Math.sqrt(1 + (r / d) ** 2) - 1),
    (r, d) => r / Math.sqrt(1 + (r / d) ** 2),
  ),
  'log-cosh': regression(
    'log-cosh',
    SCALE,
    (r, s) => Math.abs(r / s) + Math.log1p(Math.exp(-2 * Math.abs(r / s))) - Math.LN2,
    (r, s) => Math.tanh(r / s) / s,
  ),
  mean: { kind: 'mean', link: 'identity', delta: null, loss: (value) => value, gradient: () => 1 },
};

/** The prediction of a task from its logit: a probability for bce, the value itself for regression. */
export function predictionOf(kind: LossKind, logit: number): number {
  return LOSSES[kind].link === 'sigmoid' ? sigmoid(logit) : logit;
}
