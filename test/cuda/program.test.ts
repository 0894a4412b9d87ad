/** Whole models on the emulated device, against the CPU program: what a GPU trains is what the CPU trains. */
import assert from 'node:assert/strict';
import { predictionProgram, trainingProgram } from '../../src/models/registry.js';
import { loadAddon } from '../../src/runtime/load.js';
import type { Addon, ArrayBatch, DeviceSpec, NativeParameterStore, NativeProgram } from '../../src/runtime/native.js';
import {
  assertAllClose,
  dense,
  modelWeights,
  OPTIMIZERS,
  type Optimizers,
  SGD,
  sparse,
  storeWith,
} from '../graph/native-support.js';
import { randomBatch, toArrayBatch, uniform } from '../graph/random.js';
import { present } from '../graph/reference.js';
import { DLRM, FEATURES, TASKS, TWO_TOWER } from '../models/fixtures.js';
import { leaveEmulatedDevice, useEmulatedDevice } from '../support/emulated-device.js';
import { skip } from '../support/skip.js';

const GPU: DeviceSpec = { cuda: 0, matmul: 'float32' };
const RATES = { denseLr: 0.001, sparseLr: 0.02, update: true };
interface Side {
  readonly store: NativeParameterStore;
  readonly program: NativeProgram;
}

describe('CUDA programs on the emulated device', () => {
  let addon: Addon;
  before(function () {
    useEmulatedDevice(this);
    addon = loadAddon();
  });
  after(leaveEmulatedDevice);

  function trainer(
    model: typeof TWO_TOWER | typeof DLRM,
    settings: Optimizers,
    capacity: number,
    device?: DeviceSpec,
  ): Side {
    const { plan, parameters } = trainingProgram(model, FEATURES, TASKS);
    const store = storeWith(addon, parameters, modelWeights(parameters, uniform(41)), settings, device);
    const { clipNorm, clipScope } = settings;
    return { store, program: new addon.Program(plan, store, { threads: 1, capacity, seed: 1, clipNorm, clipScope }) };
  }

  function assertSameTensors(a: NativeParameterStore, b: NativeParameterStore, tolerance: number): void {
    for (const { name } of [...a.parameters(), ...a.states()])
      assertAllClose(a.read(name), b.read(name), tolerance, name);
  }

  for (const model of [TWO_TOWER, DLRM]) {
    for (const [name, settings] of OPTIMIZERS) {
      it(`${model.kind}: ten steps with ${name} as on the CPU, the last batch smaller`, async () => {
        const { plan } = trainingProgram(model, FEATURES, TASKS);
        const random = uniform(43);
        const cpu = trainer(model, settings, 33);
        const gpu = trainer(model, settings, 33, GPU);
        for (let step = 0; step < 10; step += 1) {
          const batch = toArrayBatch(randomBatch(plan, random, { rows: step === 9 ? 5 : 33 }));
          const expected = await cpu.program.step(batch, { step, ...RATES });
          assertAllClose(
            await gpu.program.step(batch, { step, ...RATES }),
            expected,
            1e-5,
            `statistics of step ${step}`,
          );
        }
        assertSameTensors(gpu.store, cpu.store, 1e-5);
      });
    }

    it(`${model.kind}: ten steps with rounded operands nearly as on the CPU`, async () => {
      const { plan } = trainingProgram(model, FEATURES, TASKS);
      const [, settings] = present(OPTIMIZERS[0]);
      for (const [matmul, tolerance] of [
        ['tf32', 3e-3],
        ['bfloat16', 3e-2],
      ] as const) {
        const random = uniform(43);
        const cpu = trainer(model, settings, 33);
        const gpu = trainer(model, settings, 33, { cuda: 0, matmul });
        for (let step = 0; step < 10; step += 1) {
          const batch = toArrayBatch(randomBatch(plan, random, { rows: 33 }));
          const expected = await cpu.program.step(batch, { step, ...RATES });
          const got = await gpu.program.step(batch, { step, ...RATES });
          assertAllClose(got, expected, tolerance, `statistics of step ${step} in ${matmul}`);
          assert.notDeepEqual(got, expected);
        }
      }
    });

    it(`${model.kind}: losses of 200 steps as on the CPU, and the same bits run after run`, async () => {
      const { plan } = trainingProgram(model, FEATURES, TASKS);
      const settings: Optimizers = { dense: dense('adam'), sparse: sparse('rowwise-adagrad') };
      const sides = [undefined, GPU, GPU].map((device) => trainer(model, settings, 64, device));
      const random = uniform(44);
      for (let step = 0; step < 200; step += 1) {
        const batch = toArrayBatch(randomBatch(plan, random, { rows: 64 }));
        const [cpu, gpu, again] = await Promise.all(
          sides.map(({ program }) => program.step(batch, { step, ...RATES })),
        );
        assertAllClose(present(gpu), present(cpu), 1e-4, `statistics of step ${step}`);
        assert.deepEqual(again, gpu);
      }
      const [, gpu, again] = sides.map(({ store }) => store);
      for (const { name } of present(gpu).parameters()) {
        assert.deepEqual(present(again).read(name), present(gpu).read(name), name);
      }
    }).timeout(600_000);

    it(`${model.kind}: the prediction program, by row and by request, gives the CPU's outputs`, async () => {
      for (const requestDomain of [false, true]) {
        const { plan, parameters } = predictionProgram(model, FEATURES, TASKS, { requestDomain });
        const weights = modelWeights(parameters, uniform(31));
        const batches = [290, 290, 17].map((rows) => toArrayBatch(randomBatch(plan, uniform(rows), { rows })));
        const [cpu, gpu] = [undefined, GPU].map((device) => {
          const store = storeWith(addon, parameters, weights, SGD, device);
          return new addon.Program(plan, store, { threads: 1, capacity: 290, seed: 1 });
        });
        for (const batch of batches) {
          const expected = await present(cpu).predict(batch);
          const outputs = await present(gpu).predict(batch);
          outputs.forEach((output, index) => {
            assertAllClose(output, present(expected[index]), 1e-5, present(plan.outputs[index]).name);
          });
        }
      }
    });
  }

  it('tensors move between devices: state of the CPU goes on on the GPU, and back', async () => {
    const settings: Optimizers = { dense: dense('adam'), sparse: sparse('adagrad') };
    const { plan } = trainingProgram(DLRM, FEATURES, TASKS);
    const random = uniform(45);
    const [cpu, gpu, back] = [undefined, GPU, undefined].map((device) => trainer(DLRM, settings, 33, device));
    const batches = Array.from({ length: 9 }, () => toArrayBatch(randomBatch(plan, random, { rows: 33 })));
    const run = async (side: Side, first: number, end: number): Promise<void> => {
      for (let step = first; step < end; step += 1) await side.program.step(present(batches[step]), { step, ...RATES });
    };
    const copy = (from: NativeParameterStore, to: NativeParameterStore): void => {
      for (const { name } of [...from.parameters(), ...from.states()]) to.write(name, from.read(name));
    };
    await run(present(cpu), 0, 3);
    copy(present(cpu).store, present(gpu).store);
    for (const { name } of present(cpu).store.parameters()) {
      assert.deepEqual(present(gpu).store.read(name), present(cpu).store.read(name), name);
    }
    await run(present(gpu), 3, 6);
    copy(present(gpu).store, present(back).store);
    await run(present(back), 6, 9);
    await run(present(cpu), 3, 9);
    assertSameTensors(present(back).store, present(cpu).store, 1e-5);
  });

  it('goes on after batches for which there was no memory, as if they had not been', async function () {
    if (process.env.PRERANK_TEST_GPU === '1') skip(this, 'for the emulated device only');
    const settings: Optimizers = { dense: dense('adam'), sparse: sparse('rowwise-adagrad') };
    const { plan } = trainingProgram(TWO_TOWER, FEATURES, TASKS);
    const [gpu, expected] = [trainer(TWO_TOWER, settings, 33, GPU), trainer(TWO_TOWER, settings, 33, GPU)];
    const random = uniform(47);
    let failures = 0;
    for (let more = 0; ; more += 30_000) {
      const small = toArrayBatch(randomBatch(plan, random, { rows: 33 }));
      await expected.program.step(small, { step: 0, ...RATES });
      await gpu.program.step(small, { step: 0, ...RATES });
      const { bytes, freeBytes } = present(addon.cuda().devices[0]);
      process.env.PRERANK_EMULATED_DEVICE = `memory=${bytes - freeBytes + more}`;
      const long = [200, 400].map((times) => withLongLists(small, times));
      const fits: boolean[] = [];
      for (const batch of long) {
        fits.push(await gpu.program.step(batch, { step: 0, ...RATES }).then(() => true, isOutOfMemory));
      }
      delete process.env.PRERANK_EMULATED_DEVICE;
      for (const batch of long.filter((_, index) => fits[index])) {
        await expected.program.step(batch, { step: 0, ...RATES });
      }
      if (fits.every((fit) => fit)) break;
      failures += fits.filter((fit) => !fit).length;
    }
    assert.ok(failures > 10, `${failures} batches did not fit`);
    assertSameTensors(gpu.store, expected.store, 0);
  }).timeout(600_000);

  it('a batch whose loss is not finite changes nothing, and says which rows', async () => {
    const settings: Optimizers = { dense: dense('adam'), sparse: sparse('rowwise-adagrad') };
    const { plan } = trainingProgram(DLRM, FEATURES, TASKS);
    const { store, program } = trainer(DLRM, settings, 33, GPU);
    const random = uniform(46);
    const good = toArrayBatch(randomBatch(plan, random, { rows: 33 }));
    await program.step(good, { step: 0, ...RATES });
    const before = store.parameters().map(({ name }) => store.read(name));
    const bad = toArrayBatch(randomBatch(plan, random, { rows: 33 }));
    present(present(bad.dense)[0]).fill(Number.NaN);
    await assert.rejects(program.step(bad, { step: 1, ...RATES }), { code: 'NON_FINITE' });
    store.parameters().forEach(({ name }, index) => {
      assert.deepEqual(store.read(name), before[index], name);
    });
    await program.step(good, { step: 1, ...RATES });
    assert.ok(store.parameters().some(({ name }, index) => !isEqual(store.read(name), present(before[index]))));
  });
});

function isEqual(a: Float32Array, b: Float32Array): boolean {
  return a.every((value, index) => value === b[index]);
}

/** Every list of a batch repeated so many times. */
function withLongLists(batch: ArrayBatch, times: number): ArrayBatch {
  const ids = batch.ids?.map(({ ids, offsets, weights }) => {
    if (offsets === undefined) return { ids };
    const repeated = <T extends Uint32Array | Float32Array>(values: T): number[] =>
      Array.from(offsets.subarray(1)).flatMap((end, bag) =>
        Array.from({ length: times }, () => Array.from(values.subarray(offsets[bag], end))).flat(),
      );
    return {
      ids: Uint32Array.from(repeated(ids)),
      offsets: offsets.map((offset) => offset * times),
      ...(weights === undefined ? {} : { weights: Float32Array.from(repeated(weights)) }),
    };
  });
  return { ...batch, ids };
}

function isOutOfMemory(error: Error & { code: string }): false {
  assert.equal(error.code, 'OUT_OF_MEMORY');
  return false;
}
