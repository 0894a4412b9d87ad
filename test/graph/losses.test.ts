/** The task losses: published check values, and the worked example of the fused three-task loss. */
import assert from 'node:assert/strict';
import { affine, compile, Graph, type TaskLoss } from '../../src/graph/index.js';
import { LOSSES, predictionOf } from '../../src/losses/tasks.js';
import { loadAddon } from '../../src/runtime/load.js';
import type { LossKind } from '../../src/runtime/plan.js';
import { toArrayBatch } from './random.js';
import { present, type ReferenceBatch, runReference } from './reference.js';

const RESIDUALS = [-3, -0.5, 0, 0.5, 2];

function assertNear(actual: readonly number[], expected: readonly number[], tolerance: number): void {
  assert.equal(actual.length, expected.length);
  actual.forEach((value, index) => {
    const wanted = present(expected[index]);
    assert.ok(Math.abs(value - wanted) <= tolerance, `${index}: ${value} but expected ${wanted}`);
  });
}

/** Rows of the worked example: logits (ctr, cqs, teacher), targets, masks, weights; NaN where there is no label. */
const LOGITS = [
  [0, -1, 2],
  [-2, 0.5, -1],
  [-3, 0.25, -2.5],
  [1, 2, 0.5],
  [-1, -0.5, -0.5],
  [4, 0, 3],
];
const NONE = Number.NaN;
const TARGETS = [
  [1, 0, 0.05, NONE, NONE, 0.3],
  [-1.5, 0.5, 0, 1, 0.5, NONE],
  [0.6, 0.1, 0.05, NONE, NONE, 0.3],
];
const MASK = [7, 7, 7, 2, 2, 5];
const WEIGHT = [1, 1, 0.5, 1, 0.5, 1];
const GRADIENTS = [
  [-0.14285714, 0.375, 0.16045547],
  [0.03405798, 0, 0.09653796],
  [-0.0003677324, 0.09375, 0.00738805],
  [0, 0.75, 0],
  [0, -0.375, 0],
  [0.19486108, 0, 0.3728995],
];

function example() {
  const graph = new Graph();
  const inputs = ['ctr', 'cqs', 'teacher'].map((name) => graph.input(name, 'row', 1));
  const kinds: LossKind[] = ['bce', 'mse', 'bce'];
  const losses = inputs.map(
    (logits, task): TaskLoss => ({
      name: logits.name,
      kind: present(kinds[task]),
      weight: present([1, 1.5, 2][task]),
      delta: 1,
      logits: affine(logits, 1, 0, `${logits.name}_logits`),
    }),
  );
  const { plan, parameters } = compile({ graph, outputs: {}, losses, wrt: inputs });
  const batch: ReferenceBatch = {
    rows: 6,
    dense: inputs.map((_, task) => Float64Array.from(LOGITS, (row) => present(row[task]))),
    targets: TARGETS.map((values) => Float64Array.from(values)),
    taskMask: Uint32Array.from(MASK),
    weight: Float64Array.from(WEIGHT),
  };
  return { plan, parameters, batch };
}

function column(task: number): number[] {
  return GRADIENTS.map((row) => present(row[task]));
}

describe('task losses', () => {
  it('have the published values', () => {
    const of = (kind: LossKind): number[] => RESIDUALS.map((r) => LOSSES[kind].loss(r, 0, 1));
    assertNear(of('huber'), [2.5, 0.125, 0, 0.125, 1.5], 1e-12);
    assertNear(of('log-cosh'), [2.309329, 0.120115, 0, 0.120115, 1.325003], 1e-6);
    assertNear(
      RESIDUALS.map((r) => LOSSES['log-cosh'].gradient(r, 0, 1)),
      [-0.995055, -0.462117, 0, 0.462117, 0.964028],
      1e-6,
    );
    assertNear(of('mse'), [9, 0.25, 0, 0.25, 4], 1e-12);
    assertNear([LOSSES.bce.loss(0, 0.3, 1)], [Math.LN2], 1e-12);
  });

  it('stay finite for extreme logits', () => {
    assertNear([LOSSES.bce.loss(800, 0, 1), LOSSES.bce.loss(-800, 1, 1)], [800, 800], 1e-9);
    assertNear([predictionOf('bce', 800), predictionOf('bce', -800), predictionOf('mse', -800)], [1, 0, -800], 1e-12);
  });

  for (const kind of Object.keys(LOSSES) as LossKind[]) {
    it(`${kind}: the gradient is that of central differences`, () => {
      const { loss, gradient } = LOSSES[kind];
      for (const logit of [-3, -0.4, 0.2, 1.7]) {
        for (const delta of [0.5, 2]) {
          const difference = (loss(logit + 1e-5, 0.3, delta) - loss(logit - 1e-5, 0.3, delta)) / 2e-5;
          assertNear([gradient(logit, 0.3, delta)], [difference], 1e-8);
        }
      }
    });
  }

  it('give the worked example in float64', () => {
    const { plan, batch } = example();
    const { loss, losses, outputs } = runReference(plan, new Map(), batch, { seed: 1, step: 0 });
    assertNear(losses, [1.067862513, 0.4453125, 1.025920548], 1e-9);
    assertNear([loss], [3.787672358], 1e-9);
    outputs.forEach((values, task) => {
      assertNear([...values], column(task), 1e-8);
    });
  });

  it('give the worked example with a teacher on every row', () => {
    const { plan, batch } = example();
    const targets = [...(batch.targets ?? [])];
    targets[2] = Float64Array.from([0.6, 0.1, 0.05, 0.7, 0.2, 0.3]);
    const everywhere = { ...batch, targets, taskMask: Uint32Array.from(MASK, (mask) => mask | 4) };
    const { loss, losses, outputs } = runReference(plan, new Map(), everywhere, { seed: 1, step: 0 });
    assertNear([present(losses[2]) * 5], [4.501837394], 1e-8);
    assertNear([loss], [3.53656622], 1e-8);
    const gradients = [0.11231883, 0.06757657, 0.00517164, -0.03101627, 0.03550813, 0.26102965];
    assertNear([...present(outputs[2])], gradients, 1e-8);
  });

  it('give the worked example natively, with its sums', async () => {
    const { plan, parameters, batch } = example();
    const addon = loadAddon();
    const optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, initialAccumulator: 0, l2: 0 };
    const store = new addon.ParameterStore({
      parameters,
      sparse: { ...optimizer, kind: 'sgd' },
      dense: { ...optimizer, kind: 'sgd', momentum: 0, weightDecay: 0 },
      training: true,
      seed: 1,
    });
    const program = new addon.Program(plan, store, { threads: 1, capacity: 6, seed: 1 });
    const stats = await program.step(toArrayBatch(batch), { step: 0, denseLr: 0, sparseLr: 0, update: false });
    const sums = [0, 8, 16].map((first) => [...stats.subarray(first, first + 3)]);
    assertNear(sums.flat(), [3.737518795, 3.5, 4, 1.78125, 4, 5, 3.590721917, 3.5, 4], 1e-5);
    [0, 1, 2].forEach((task) => {
      assertNear([...program.readOutput(task)], column(task), 1e-6);
    });
  });
});
