import assert from 'node:assert/strict';
import { join } from 'node:path';
import { elementCount } from '../../src/base/shape.js';
import { REFERENCE_STEPS, referenceStep } from '../../src/bench/reference-steps.js';
import { benchStep } from '../../src/bench/step.js';
import { configProblem, referenceProblem } from '../../src/bench/step-problem.js';
import { formatStep } from '../../src/bench/step-text.js';
import { trainingProgram } from '../../src/models/registry.js';
import { loadAddon, packageRoot } from '../../src/runtime/load.js';
import { skip } from '../support/skip.js';
import { smallStep } from './fixture.js';

const OPTIONS = { threads: 1, runs: 2, steps: 3, seed: 1 };

function shapesOf(name: string): Map<string, readonly number[]> {
  const { model, features, tasks } = referenceStep(name);
  return new Map(
    trainingProgram(model, features, tasks).parameters.map((parameter) => [parameter.name, parameter.shape]),
  );
}

function scalars(shapes: ReadonlyMap<string, readonly number[]>, tables: boolean): number {
  const chosen = [...shapes].filter(([name]) => name.startsWith('embeddings.') === tables);
  return chosen.reduce((sum, [, shape]) => sum + elementCount(shape), 0);
}

function layer(inputs: number, outputs: number): number {
  return inputs * outputs + outputs;
}

describe('bench: reference steps', () => {
  it('has two-tower-d as it is defined', () => {
    const shapes = shapesOf('two-tower-d');
    assert.equal(scalars(shapes, true), 16 * 100_000 * 32);
    assert.deepEqual(shapes.get('user_tower.top.0.weight'), [256, 8 + 8 * 32 + 28]);
    assert.deepEqual(shapes.get('ad_tower.top.0.weight'), [256, 5 + 8 * 32 + 28]);
    const tower = layer(256, 128) + layer(128, 64);
    const heads = 3 * (layer(65, 64) + layer(64, 1));
    assert.equal(scalars(shapes, false), layer(292, 256) + layer(289, 256) + 2 * tower + heads);
  });

  it('has dlrm-criteo as it is defined', () => {
    const shapes = shapesOf('dlrm-criteo');
    assert.equal(scalars(shapes, true), 26 * 100_000 * 64);
    const bottom = layer(13, 512) + layer(512, 256) + layer(256, 64);
    const pairs = (27 * 26) / 2;
    const top = layer(64 + pairs, 512) + layer(512, 512) + layer(512, 256) + layer(256, 1);
    assert.equal(scalars(shapes, false), bottom + top);
  });

  it('has embedding-heavy as it is defined', () => {
    const shapes = shapesOf('embedding-heavy');
    assert.equal(scalars(shapes, true), 64 * 1_000_000 * 64);
    assert.equal(scalars(shapes, false), layer(4096, 256) + layer(256, 64) + layer(64, 1));
    assert.equal(referenceStep('embedding-heavy').sparse, 'rowwise-adagrad');
  });

  it('has dlrm-criteo-1tb as it is defined', () => {
    const shapes = shapesOf('dlrm-criteo-1tb');
    const bottom = layer(13, 512) + layer(512, 256) + layer(256, 128);
    const top =
      layer(128 + (27 * 26) / 2, 1024) + layer(1024, 1024) + layer(1024, 512) + layer(512, 256) + layer(256, 1);
    assert.equal(scalars(shapes, false), bottom + top);
    const rows = scalars(shapes, true) / 128;
    assert.ok(rows >= 40_000_000 && rows < 40_000_100, `${rows} rows`);
    assert.equal(referenceStep('dlrm-criteo-1tb').batch, 65_536);
  });

  it('has dcn-multihot as it is defined', () => {
    const shapes = shapesOf('dcn-multihot');
    const width = 27 * 128;
    const bottom = layer(13, 512) + layer(512, 256) + layer(256, 128);
    const cross = 3 * (width * 512 + layer(512, width));
    const top = layer(width, 1024) + layer(1024, 1024) + layer(1024, 512) + layer(512, 256) + layer(256, 1);
    assert.equal(scalars(shapes, false), bottom + cross + top);
    const step = referenceStep('dcn-multihot');
    const factors = Object.values(step.poolingFactors ?? {});
    assert.equal(
      factors.reduce((sum, factor) => sum + factor, 0),
      214,
    );
    assert.equal(factors.length, 26);
    assert.equal(scalars(shapes, true) / 128, 54_184_588);
    assert.equal(Math.max(...step.features.tables.map(({ rows }) => rows)), 10_000_000);
  });

  it('names the steps when one is unknown', () => {
    assert.throws(() => referenceStep('dlrm'), { code: 'USAGE', message: /two-tower-d, dlrm-criteo, embedding-heavy/ });
    assert.equal(REFERENCE_STEPS.length, 5);
  });
});

describe('bench: step', () => {
  it('reports samples a second, phases, operations and surroundings in consistent units', async () => {
    const addon = loadAddon();
    const problem = referenceProblem(addon, smallStep(), { seed: 1 });
    const result = await benchStep(addon, problem, OPTIONS);
    assert.equal(result.bench, 'step');
    assert.equal(result.config, 'small');
    assert.deepEqual(result.optimizers, { sparse: 'adagrad', dense: 'adam' });
    assert.equal(result.step.samples, OPTIONS.runs * OPTIONS.steps);
    assert.equal(result.samplesPerSecond, result.batch / result.step.p50);
    assert.equal(result.runs.length, OPTIONS.runs);
    const phases = Object.values(result.phases).reduce((sum, seconds) => sum + seconds, 0);
    const mean = result.batch / result.samplesPerSecondMean;
    assert.ok(phases > 0 && phases <= mean, `phases take ${phases} s of a step of ${mean} s`);
    const shares = result.operations.reduce((sum, { share }) => sum + share, 0);
    assert.ok(Math.abs(shares - 1) < 1e-9, `shares sum to ${shares}`);
    assert.equal(result.operations.filter(({ kind }) => kind === 'update.sparse').length, 16);
    assert.ok(result.operations.some(({ kind, gflops }) => kind === 'linear.dw' && gflops !== undefined && gflops > 0));
    assert.ok(result.loader.indexSeconds > 0 && result.loader.waitShare >= 0 && result.loader.waitShare <= 1);
    assert.ok(result.memory.arenaBytes > 0 && result.memory.peakBytes > result.memory.parameterBytes);
    assert.equal(result.environment.isa, addon.info().isa);
    assert.match(formatStep(result), /samples\/s at the median step \(batch 64, 1 thread,/);
  });

  it('finds no allocation in a step', async function () {
    const addon = loadAddon();
    const { allocationsPerStep } = await benchStep(addon, referenceProblem(addon, smallStep(), { seed: 1 }), OPTIONS);
    if (allocationsPerStep === null) skip(this, 'the C library does not count allocations');
    assert.equal(allocationsPerStep, 0);
  });

  it('takes another sparse optimizer and batch', async () => {
    const addon = loadAddon();
    const problem = referenceProblem(addon, smallStep(), { seed: 1, sparse: 'rowwise-adagrad', batch: 32 });
    const { optimizers, batch } = await benchStep(addon, problem, { ...OPTIONS, runs: 1 });
    assert.deepEqual([optimizers.sparse, batch], ['rowwise-adagrad', 32]);
  });

  it('runs any configuration on its own log', async () => {
    const addon = loadAddon();
    const problem = await configProblem(addon, join(packageRoot(), 'data', 'sample', 'config.yaml'), {
      seed: 1,
      batch: 128,
    });
    try {
      const result = await benchStep(addon, problem, { ...OPTIONS, runs: 1 });
      assert.equal(result.batch, 128);
      assert.ok(result.samplesPerSecond > 0);
    } finally {
      await problem.close();
    }
  });
});
