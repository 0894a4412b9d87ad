/** The optimizers of the parameter store (native/include/prerank/parameter_store.h) on plain arrays, in place. */
import { elementCount } from '../../base/shape.js';
import type { DenseOptimizerSettings, SparseOptimizerSettings } from '../native.js';

/** Optimizer slots by name: momentum | accumulator | m, v. */
export type Slots = Readonly<Record<string, Float32Array>>;

type Kind = DenseOptimizerSettings['kind'] | SparseOptimizerSettings['kind'];

export function makeSlots(
  kind: Kind,
  settings: { readonly momentum?: number; readonly initialAccumulator: number },
  shape: readonly number[],
): Slots {
  const length = elementCount(shape);
  switch (kind) {
    case 'sgd':
      return (settings.momentum ?? 0) > 0 ? { momentum: new Float32Array(length) } : {};
    case 'adagrad':
      return { accumulator: new Float32Array(length).fill(settings.initialAccumulator) };
    case 'rowwise-adagrad':
      return { accumulator: new Float32Array(shape[0] ?? 0).fill(settings.initialAccumulator) };
    case 'adam':
    case 'adamw':
      return { m: new Float32Array(length), v: new Float32Array(length) };
  }
}

export interface UpdateStep {
  readonly step: number;
  readonly lr: number;
}

const NOTHING = new Float32Array();

export function updateDense(
  settings: DenseOptimizerSettings,
  { step, lr }: UpdateStep,
  weights: Float32Array,
  gradient: Float32Array,
  slots: Slots,
): void {
  const decoupled = settings.kind === 'adamw';
  const l2 = decoupled ? 0 : settings.l2;
  for (let i = 0; i < weights.length; i += 1) {
    const w = decoupled ? at(weights, i) * (1 - lr * settings.weightDecay) : at(weights, i);
    const g = at(gradient, i) + l2 * w;
    weights[i] = w - lr * direction(settings, step, g, slots, i);
  }
}

/** Updates the given rows of a table [rows, dim] only. */
export function updateRows(
  settings: SparseOptimizerSettings,
  { step, lr }: UpdateStep,
  weights: Float32Array,
  gradient: Float32Array,
  slots: Slots,
  dim: number,
  rows: Iterable<number>,
): void {
  for (const row of rows) {
    const first = row * dim;
    const g = Float64Array.from(
      { length: dim },
      (_, c) => at(gradient, first + c) + settings.l2 * at(weights, first + c),
    );
    if (settings.kind === 'rowwise-adagrad') {
      const accumulator = slots.accumulator ?? NOTHING;
      accumulator[row] = at(accumulator, row) + g.reduce((sum, value) => sum + value * value, 0) / dim;
      const scale = lr / (Math.sqrt(at(accumulator, row)) + settings.epsilon);
      g.forEach((value, c) => {
        weights[first + c] = at(weights, first + c) - scale * value;
      });
      continue;
    }
    const elementwise = { ...settings, kind: settings.kind, momentum: 0 };
    g.forEach((value, c) => {
      weights[first + c] = at(weights, first + c) - lr * direction(elementwise, step, value, slots, first + c);
    });
  }
}

interface Elementwise {
  readonly kind: 'sgd' | 'adagrad' | 'adam' | 'adamw';
  readonly momentum: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

/** What the learning rate multiplies, for element i; advances the slots. */
function direction(settings: Elementwise, step: number, g: number, slots: Slots, i: number): number {
  const { beta1, beta2, epsilon } = settings;
  switch (settings.kind) {
    case 'sgd': {
      const momentum = slots.momentum;
      if (momentum === undefined) return g;
      momentum[i] = settings.momentum * at(momentum, i) + g;
      return at(momentum, i);
    }
    case 'adagrad': {
      const accumulator = slots.accumulator ?? NOTHING;
      accumulator[i] = at(accumulator, i) + g * g;
      return g / (Math.sqrt(at(accumulator, i)) + epsilon);
    }
    case 'adam':
    case 'adamw': {
      const { m = NOTHING, v = NOTHING } = slots;
      m[i] = beta1 * at(m, i) + (1 - beta1) * g;
      v[i] = beta2 * at(v, i) + (1 - beta2) * g * g;
      const mean = at(m, i) / (1 - beta1 ** (step + 1));
      return mean / (Math.sqrt(at(v, i) / (1 - beta2 ** (step + 1))) + epsilon);
    }
  }
}

function at(array: Float32Array, index: number): number {
  return array[index] ?? 0;
}
