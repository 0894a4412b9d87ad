/** Stores and comparisons for tests of the native program. */
import assert from 'node:assert/strict';
import {
  type Addon,
  type DenseOptimizerSettings,
  type DeviceSpec,
  type NativeParameterStore,
  type ParameterSpec,
  type SparseOptimizerSettings,
  TASK_STATS,
} from '../../src/runtime/native.js';
import type { Plan } from '../../src/runtime/plan.js';
import { assertClose } from './build.js';
import { randomBatch, randomParameters, toArrayBatch, uniform } from './random.js';
import { present, runReference } from './reference.js';

const COMMON = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, initialAccumulator: 0, l2: 0 } as const;

export function dense(
  kind: DenseOptimizerSettings['kind'],
  change: Partial<DenseOptimizerSettings> = {},
): DenseOptimizerSettings {
  return { ...COMMON, kind, momentum: 0, weightDecay: 0, ...change };
}

export function sparse(
  kind: SparseOptimizerSettings['kind'],
  change: Partial<SparseOptimizerSettings> = {},
): SparseOptimizerSettings {
  return { ...COMMON, kind, ...change };
}

export interface Optimizers {
  readonly dense: DenseOptimizerSettings;
  readonly sparse: SparseOptimizerSettings;
  readonly clipNorm?: number;
  readonly clipScope?: 'dense' | 'all';
}

export const SGD: Optimizers = { dense: dense('sgd'), sparse: sparse('sgd') };

/** Optimizers with what of their settings changes the arithmetic. */
export const OPTIMIZERS: readonly (readonly [string, Optimizers])[] = [
  ['Adam and row-wise Adagrad', { dense: dense('adam'), sparse: sparse('rowwise-adagrad') }],
  ['Adam and Adagrad', { dense: dense('adam'), sparse: sparse('adagrad', { initialAccumulator: 0.1, l2: 0.01 }) }],
  // A larger epsilon: with 1e-8 Adam turns the rounding of gradients near 0 into whole steps.
  [
    'AdamW and Adam',
    { dense: dense('adamw', { weightDecay: 0.1, epsilon: 1e-4 }), sparse: sparse('adam', { epsilon: 1e-4 }) },
  ],
  ['Adagrad and SGD', { dense: dense('adagrad', { initialAccumulator: 0.1 }), sparse: sparse('sgd') }],
  ['SGD, dense gradients clipped', { ...SGD, clipNorm: 0.05, clipScope: 'dense' }],
  ['SGD, all gradients clipped', { ...SGD, clipNorm: 0.05, clipScope: 'all' }],
  ['SGD with momentum and l2', { dense: dense('sgd', { momentum: 0.9, l2: 0.01 }), sparse: sparse('sgd') }],
];

export function storeWith(
  addon: Addon,
  parameters: readonly ParameterSpec[],
  weights: ReadonlyMap<string, Float64Array>,
  optimizers: Optimizers = SGD,
  device?: DeviceSpec,
): NativeParameterStore {
  const { dense: denseSettings, sparse: sparseSettings } = optimizers;
  const store = new addon.ParameterStore({
    parameters,
    dense: denseSettings,
    sparse: sparseSettings,
    device,
    training: true,
    seed: 1,
  });
  for (const [name, values] of weights) store.write(name, Float32Array.from(values));
  return store;
}

/** Weights of a size that layers start with, exact in float32. */
export function modelWeights(specs: readonly ParameterSpec[], random: () => number): Map<string, Float64Array> {
  const weights = randomParameters(specs, random);
  return new Map([...weights].map(([name, values]) => [name, values.map((value) => value / 4)]));
}

export function assertAllClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  assert.equal(actual.length, expected.length, what);
  for (let i = 0; i < expected.length; i += 1) {
    assertClose(present(actual[i]), present(expected[i]), tolerance, `${what}[${i}]`);
  }
}

/** On a batch that takes two tiles, by two threads. */
export async function assertPrediction(
  addon: Addon,
  { plan, parameters }: { readonly plan: Plan; readonly parameters: readonly ParameterSpec[] },
): Promise<void> {
  const rows = 290;
  const random = uniform(31);
  const weights = modelWeights(parameters, random);
  const batch = randomBatch(plan, random, { rows });
  const expected = runReference(plan, weights, batch, { seed: 1, step: 0 });
  const store = storeWith(addon, parameters, weights);
  const program = new addon.Program(plan, store, { threads: 2, capacity: rows, seed: 1 });
  const outputs = await program.predict(toArrayBatch(batch));
  assert.equal(outputs.length, plan.outputs.length);
  outputs.forEach((output, index) => {
    assertAllClose(output, present(expected.outputs[index]), 3e-5, present(plan.outputs[index]).name);
  });
}

export function meanLoss(plan: Plan, stats: Float64Array): number {
  return plan.tasks.reduce((total, { weight }, task) => {
    const [loss, rows] = stats.subarray(task * TASK_STATS.length);
    return present(rows) > 0 ? total + (weight * present(loss)) / present(rows) : total;
  }, 0);
}
