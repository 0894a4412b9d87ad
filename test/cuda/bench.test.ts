/** Benchmarks on the emulated device: that figures fit together. What they are says nothing about a GPU. */
import assert from 'node:assert/strict';
import { deviceCases } from '../../src/bench/device-cases.js';
import { benchDeviceKernels, type DeviceKernelsResult, timeDeviceCase } from '../../src/bench/device-kernels.js';
import { VIEWS } from '../../src/bench/kernel-cases.js';
import { formatDeviceKernels, kernelsCsv } from '../../src/bench/kernels-text.js';
import { benchStep, type StepResult } from '../../src/bench/step.js';
import { referenceProblem } from '../../src/bench/step-problem.js';
import { formatStep } from '../../src/bench/step-text.js';
import { loadAddon } from '../../src/runtime/load.js';
import type { Addon } from '../../src/runtime/native.js';
import { smallStep } from '../bench/fixture.js';
import { leaveEmulatedDevice, useEmulatedDevice } from '../support/emulated-device.js';

const OPTIONS = {
  rounds: 1,
  samples: 3,
  device: 'cuda:0',
  matmul: 'float32',
  roof: { copyBytes: 1 << 16, product: 32, repetitions: 2 },
} as const;
const ROWS = 24;

describe('bench: kernels on the emulated device', () => {
  let addon: Addon;
  let result: DeviceKernelsResult;
  before(async function () {
    useEmulatedDevice(this);
    addon = loadAddon();
    const tables = [
      { rows: 50, dim: 8, length: 1, skew: 0 },
      { rows: 50, dim: 5, length: 3, skew: 1.05 },
    ];
    const grid = { rows: ROWS, flushBytes: 1 << 12, tables, dense: [100] };
    // Layers are as wide as in the models, which takes the emulation long.
    const operations = ['dotInteraction', 'dotInteraction.grad', 'rowDot', 'loss', 'embedding'];
    result = await benchDeviceKernels(addon, {
      ...OPTIONS,
      grid,
      operations: [...operations, 'update.sparse', 'update.dense', 'sumRows', 'dropout.grad'],
    });
  });
  after(leaveEmulatedDevice);

  it('times every case of the operations that were asked for', () => {
    const counts = new Map<string, number>();
    for (const { op } of result.results) counts.set(op, (counts.get(op) ?? 0) + 1);
    assert.equal(counts.get('embedding'), 2);
    assert.equal(counts.get('update.sparse'), 8);
    assert.equal(counts.get('update.dense'), 4);
    assert.equal(counts.get('dotInteraction'), counts.get('dotInteraction.grad'));
    for (const { op, shape, seconds } of result.results) {
      assert.equal(seconds.samples, OPTIONS.samples, `${op} ${shape}`);
      assert.ok(seconds.best > 0 && seconds.best <= seconds.p50 && seconds.p50 <= seconds.p90, `${op} ${shape}`);
    }
  });

  it('reports rates that follow from time and cost, against the measured roof', () => {
    for (const { op, shape, seconds, gbps, gflops, roofShare } of result.results) {
      const compute = gflops / (result.roof.float32 / 1e9);
      const memory = gbps / (result.roof.copy / 1e9);
      assert.ok(gbps > 0, `${op} ${shape}`);
      assert.ok(Math.abs(roofShare / Math.max(compute, memory) - 1) < 1e-9, `${op} ${shape}`);
      assert.ok(Number.isFinite(seconds.p50));
    }
    const dot = result.results.find(({ op, shape }) => op === 'dotInteraction' && shape === `${ROWS}x8x32`);
    assert.ok(dot);
    const flops = 2 * ROWS * 28 * 32;
    assert.ok(Math.abs((dot.gflops * dot.seconds.p50 * 1e9) / flops - 1) < 1e-9);
    const single = result.results.find(({ op, skew }) => op === 'embedding' && skew === 'uniform');
    assert.ok(single);
    // An id and a row of 8 floats read, a bag and its row of 8 floats written.
    assert.ok(Math.abs((single.gbps * single.seconds.p50 * 1e9) / (ROWS * 2 * 4 * 9) - 1) < 1e-9);
  });

  it('measures the roof of each precision', () => {
    const { copy, float32, tf32, bfloat16 } = result.roof;
    for (const rate of [copy, float32, tf32, bfloat16]) assert.ok(rate > 0 && Number.isFinite(rate));
  });

  it('times the products of layers and interactions in the precision that is asked for', async () => {
    const grid = { rows: 2, flushBytes: 1 << 10, tables: [], dense: [] };
    const operations = ['linear.dx', 'dotInteraction'];
    const products = await benchDeviceKernels(addon, { ...OPTIONS, samples: 1, matmul: 'tf32', grid, operations });
    assert.ok(products.results.length > 1);
    for (const { gflops, gbps, roofShare } of products.results) {
      const share = Math.max(gflops / (products.roof.tf32 / 1e9), gbps / (products.roof.copy / 1e9));
      assert.ok(Math.abs(roofShare / share - 1) < 1e-9);
    }
  });

  it('runs every operation of its grid, which leaves out those that need more than rows', async () => {
    const grid = { rows: 3, flushBytes: 1 << 10, tables: [], dense: [] };
    const cases = new Map(deviceCases(grid).map((item) => [item.op, item]));
    for (const [op, item] of cases) {
      const seconds = await timeDeviceCase(addon, { cuda: 0, matmul: 'float32' }, item, item.make(), 1);
      assert.ok(seconds.length === 1 && (seconds[0] ?? 0) > 0, op);
    }
    const missing = (addon.cuda().kernels ?? []).filter((kind) => !cases.has(kind) && !VIEWS.has(kind));
    assert.deepEqual(missing.sort(), [
      'constant',
      'crossEntropy',
      'embedding',
      'expand',
      'expand.grad',
      'hardConcrete',
      'hardConcrete.grad',
      'pairwiseRank',
      'pairwiseRank.grad',
    ]);
  });

  it('prints a table and a CSV line per case', () => {
    assert.equal(kernelsCsv(result).split('\n').length, result.results.length + 1);
    assert.match(formatDeviceKernels(result), /roof: copying .*\n\n.*\n.*dotInteraction +24x8x32/s);
  });

  it('refuses the CPU and an operation that is not in the grid', async () => {
    const grid = { rows: 3, flushBytes: 1 << 10, tables: [], dense: [] };
    const options = { ...OPTIONS, grid, operations: [] };
    await assert.rejects(benchDeviceKernels(addon, { ...options, device: 'cpu' }), { code: 'USAGE' });
    await assert.rejects(benchDeviceKernels(addon, { ...options, operations: ['matmul'] }), { code: 'USAGE' });
  });
});

describe('bench: steps on the emulated device', () => {
  let result: StepResult;
  before(async function () {
    useEmulatedDevice(this);
    const addon = loadAddon();
    const problem = referenceProblem(addon, smallStep(), { seed: 1, device: 'cuda:0' });
    result = await benchStep(addon, problem, { threads: 1, runs: 1, steps: 4, seed: 1 });
  });
  after(leaveEmulatedDevice);

  it('tell the time on the GPU, and phases that add up to the operations', () => {
    const { phases, operations, deviceSeconds, step } = result;
    assert.ok(deviceSeconds !== undefined && deviceSeconds > 0);
    assert.ok(step.p50 > 0);
    const sum = operations.reduce((total, { secondsPerStep }) => total + secondsPerStep, 0);
    const total = Object.values(phases).reduce((a, b) => a + b, 0);
    assert.ok(Math.abs(total / sum - 1) < 1e-9);
    assert.ok(phases.tiles > 0 && phases.transform > 0 && phases.update > 0);
    const updates = operations.filter(({ kind }) => kind.startsWith('update.'));
    const updating = updates.reduce((all, { secondsPerStep }) => all + secondsPerStep, 0);
    assert.ok(Math.abs(phases.update / updating - 1) < 1e-9);
  });

  it('name every operation of the plan and the updates, with shares of 1 in all', () => {
    const kinds = new Set(result.operations.map(({ kind }) => kind));
    for (const kind of [
      'embedding',
      'dotInteraction',
      'linear',
      'linear.dw',
      'loss',
      'update.sparse',
      'update.dense',
    ]) {
      assert.ok(kinds.has(kind), kind);
    }
    const shares = result.operations.reduce((total, { share }) => total + share, 0);
    assert.ok(Math.abs(shares - 1) < 1e-9);
    assert.match(formatStep(result), /products in float32[\s\S]*cuda:0: .* of a step on the GPU/);
  });
});
