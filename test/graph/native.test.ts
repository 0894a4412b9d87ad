/** The native program on every operation and both models: against the float64 interpreter and TensorFlow.js. */
import assert from 'node:assert/strict';
import { predictionProgram, trainingProgram } from '../../src/models/registry.js';
import { loadAddon } from '../../src/runtime/load.js';
import type { Addon } from '../../src/runtime/native.js';
import { TfjsProgram } from '../../src/runtime/tfjs.js';
import { DLRM, FEATURES, TASKS, TWO_TOWER } from '../models/fixtures.js';
import { assertClose, buildCase, tableGradients } from './build.js';
import { CASES } from './cases.js';
import {
  assertAllClose,
  assertPrediction,
  meanLoss,
  modelWeights,
  OPTIMIZERS,
  SGD,
  storeWith,
} from './native-support.js';
import { randomBatch, randomParameters, toArrayBatch, uniform } from './random.js';
import { present, runReference } from './reference.js';

const RUN = { seed: 5, step: 3 };
describe('native program', () => {
  let addon: Addon;
  before(() => {
    addon = loadAddon();
  });

  for (const item of CASES) {
    for (const [rows, threads] of [
      [1, 1],
      [7, 1],
      [300, 2],
    ] as const) {
      it(`${item.name}: forward and gradients of the float64 reference, ${rows} rows`, async () => {
        const { plan, parameters } = buildCase(item, 256);
        const random = uniform(rows + item.name.length);
        const weights = randomParameters(parameters, random, item.positive);
        const batch = randomBatch(plan, random, { rows, positive: item.positive });
        const expected = runReference(plan, weights, batch, RUN);
        const store = storeWith(addon, parameters, weights);
        const program = new addon.Program(plan, store, { threads, capacity: rows, seed: RUN.seed });
        const options = { step: RUN.step, denseLr: 0, sparseLr: 0, update: false };
        const stats = await program.step(toArrayBatch(batch), options);
        assertClose(meanLoss(plan, stats), expected.loss, item.tolerance, 'loss');
        plan.outputs.forEach(({ name }, index) => {
          assertAllClose(program.readOutput(index), present(expected.outputs[index]), item.tolerance, name);
        });
      });
    }
  }

  for (const config of [TWO_TOWER, DLRM]) {
    it(`${config.kind}: one SGD step moves every parameter and table by its gradient`, async () => {
      const { plan, parameters } = trainingProgram(config, FEATURES, TASKS);
      const random = uniform(21);
      const weights = modelWeights(parameters, random);
      const batch = randomBatch(plan, random, { rows: 37 });
      const store = storeWith(addon, parameters, weights);
      const program = new addon.Program(plan, store, { threads: 2, capacity: 37, seed: 1 });
      await program.step(toArrayBatch(batch), { step: 0, denseLr: 1, sparseLr: 1, update: true });
      const outputs = plan.parameters.map(({ name, grad }) => ({ name, value: grad }));
      const expected = runReference({ ...plan, outputs }, weights, batch, RUN);
      const gradients = tableGradients(plan, batch, expected.pooled);
      outputs.forEach(({ name }, index) => {
        gradients.set(name, present(expected.outputs[index]));
      });
      assert.equal(gradients.size, parameters.length);
      for (const [name, gradient] of gradients) {
        const start = present(weights.get(name));
        assertAllClose(
          store.read(name).map((value, index) => present(start[index]) - value),
          gradient,
          2e-5,
          name,
        );
      }
    });

    it(`${config.kind}: the prediction program, by row and by request, gives the reference's outputs`, async () => {
      for (const requestDomain of [false, true]) {
        await assertPrediction(addon, predictionProgram(config, FEATURES, TASKS, { requestDomain }));
      }
    });

    for (const [name, settings] of OPTIMIZERS) {
      it(`${config.kind}: ten steps with ${name} as on TensorFlow.js`, async () => {
        const { plan, parameters } = trainingProgram(config, FEATURES, TASKS);
        const random = uniform(41);
        const weights = modelWeights(parameters, random);
        const store = storeWith(addon, parameters, weights, settings);
        const { clipNorm, clipScope } = settings;
        const program = new addon.Program(plan, store, { threads: 2, capacity: 33, seed: 1, clipNorm, clipScope });
        const tfjs = await TfjsProgram.create(plan, parameters, { ...settings, seed: 1, weights: store });
        for (let step = 0; step < 10; step += 1) {
          const batch = toArrayBatch(randomBatch(plan, random, { rows: 33 }));
          const options = { step, denseLr: 0.001, sparseLr: 0.02, update: true };
          const native = await program.step(batch, options);
          const reference = await tfjs.step(batch, options);
          assertAllClose(native, reference, 1e-5, `statistics of step ${step}`);
        }
        for (const { name: parameter } of parameters) {
          const moved = store.read(parameter).some((value, index) => value !== present(weights.get(parameter))[index]);
          assert.ok(moved, `${parameter} did not move`);
          assertAllClose(store.read(parameter), tfjs.read(parameter), 1e-5, parameter);
        }
        tfjs.dispose();
      }).timeout(30_000);
    }
  }

  it('draws the same dropout masks as TensorFlow.js, every step anew', async () => {
    const config = { ...TWO_TOWER, tower: { hidden: [9], out: 5, dropout: 0.3 }, heads: { hidden: [7], dropout: 0.5 } };
    const { plan, parameters } = trainingProgram(config, FEATURES, TASKS);
    const random = uniform(51);
    const weights = modelWeights(parameters, random);
    const store = storeWith(addon, parameters, weights);
    const program = new addon.Program(plan, store, { threads: 1, capacity: 33, seed: 9 });
    const tfjs = await TfjsProgram.create(plan, parameters, { ...SGD, seed: 9, weights: store });
    const batch = toArrayBatch(randomBatch(plan, random, { rows: 33 }));
    const losses: number[] = [];
    for (let step = 0; step < 3; step += 1) {
      const options = { step, denseLr: 0, sparseLr: 0, update: false };
      const native = await program.step(batch, options);
      assertAllClose(native, await tfjs.step(batch, options), 1e-5, `statistics of step ${step}`);
      losses.push(present(native[0]));
    }
    assert.equal(new Set(losses).size, 3);
    tfjs.dispose();
  }).timeout(30_000);
});
