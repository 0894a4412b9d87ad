/** Every operation's CUDA kernel, in whole plans on the emulated device: against the float64 interpreter. */
import assert from 'node:assert/strict';
import { loadAddon } from '../../src/runtime/load.js';
import type { Addon } from '../../src/runtime/native.js';
import { assertClose, buildCase } from '../graph/build.js';
import { CASES } from '../graph/cases.js';
import { assertAllClose, meanLoss, SGD, storeWith } from '../graph/native-support.js';
import { randomBatch, randomParameters, toArrayBatch, uniform } from '../graph/random.js';
import { present, runReference } from '../graph/reference.js';
import { leaveEmulatedDevice, useEmulatedDevice } from '../support/emulated-device.js';

const RUN = { seed: 5, step: 3 };
const DEVICE = { cuda: 0, matmul: 'float32' } as const;

describe('CUDA kernels on the emulated device', () => {
  let addon: Addon;
  before(function () {
    useEmulatedDevice(this);
    addon = loadAddon();
  });
  after(leaveEmulatedDevice);

  it('exist for every operation of the CPU', () => {
    assert.deepEqual(addon.cuda().kernels, addon.info().kernels);
  });

  for (const item of CASES) {
    for (const rows of [1, 7, 300]) {
      it(`${item.name}: forward and gradients of the float64 reference, ${rows} rows`, async () => {
        const { plan, parameters } = buildCase(item, 256);
        const random = uniform(rows + item.name.length);
        const weights = randomParameters(parameters, random, item.positive);
        const batch = randomBatch(plan, random, { rows, positive: item.positive });
        const expected = runReference(plan, weights, batch, RUN);
        const store = storeWith(addon, parameters, weights, SGD, DEVICE);
        const program = new addon.Program(plan, store, { threads: 1, capacity: rows, seed: RUN.seed });
        const options = { step: RUN.step, denseLr: 0, sparseLr: 0, update: false };
        const stats = await program.step(toArrayBatch(batch), options);
        assertClose(meanLoss(plan, stats), expected.loss, item.tolerance, 'loss');
        plan.outputs.forEach(({ name }, index) => {
          assertAllClose(program.readOutput(index), present(expected.outputs[index]), item.tolerance, name);
        });
      });
    }
  }
});
