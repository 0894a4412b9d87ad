/** Batches of nearly as many sizes as there are: a GPU pads them to few, for which it keeps its steps. */
import assert from 'node:assert/strict';
import type { Lowered } from '../../src/graph/index.js';
import { trainingProgram } from '../../src/models/registry.js';
import { loadAddon } from '../../src/runtime/load.js';
import type { Addon, ArrayBatch, DeviceSpec, NativeParameterStore, NativeProgram } from '../../src/runtime/native.js';
import {
  assertAllClose,
  dense,
  modelWeights,
  type Optimizers,
  SGD,
  sparse,
  storeWith,
} from '../graph/native-support.js';
import { randomBatch, toArrayBatch, uniform } from '../graph/random.js';
import { present } from '../graph/reference.js';
import { requestModel } from '../graph/request-model.js';
import {
  CONVERSIONS,
  DLRM,
  ECMM,
  ESMM,
  FEATURES,
  FSCD,
  MMOE,
  PLE,
  TASKS,
  TWO_TOWER,
  WHOLE_CHAIN,
} from '../models/fixtures.js';
import { leaveEmulatedDevice, useEmulatedDevice } from '../support/emulated-device.js';
import { PWISER } from '../support/pwiser.js';

const GPU: DeviceSpec = { cuda: 0, matmul: 'float32' };
const CAPACITY = 60;
const RATES = { denseLr: 0.001, sparseLr: 0.02, update: true };
// A larger epsilon: with 1e-8 Adam turns the rounding of gradients near 0 into whole steps.
const OPTIMIZERS: Optimizers = { dense: dense('adam', { epsilon: 1e-4 }), sparse: sparse('rowwise-adagrad') };
type Model = Pick<Lowered, 'plan' | 'parameters'>;

interface Side {
  readonly store: NativeParameterStore;
  readonly program: NativeProgram;
}

const PRODUCT = CONVERSIONS['ctr+cvr(product)'];
const MODELS: readonly (readonly [name: string, model: () => Model])[] = [
  [
    'two-tower with dropout',
    () => {
      const tower = { hidden: [9, 6], out: 5, dropout: 0.2 };
      return trainingProgram({ ...TWO_TOWER, tower, heads: { hidden: [7], dropout: 0.3 } }, FEATURES, TASKS);
    },
  ],
  ['dlrm', () => trainingProgram(DLRM, FEATURES, TASKS)],
  ['mmoe', () => trainingProgram(MMOE, FEATURES, PRODUCT)],
  ['ple', () => trainingProgram(PLE, FEATURES, PRODUCT)],
  ['fscd with gates of fields', () => trainingProgram(FSCD, FEATURES, TASKS.slice(0, 1))],
  ['ecmm with gates of subnets', () => trainingProgram(ECMM, FEATURES, WHOLE_CHAIN)],
  [
    'esmm with pairs of rows',
    () => {
      const pwiser = { ...PWISER, head: 'both', surrogate: 'squaredHinge' } as const;
      return trainingProgram(ESMM, FEATURES, CONVERSIONS.separate, { pwiser });
    },
  ],
  ['features of requests', () => requestModel()],
];

/** Nearly full, with the end of an epoch and a single row now and then. */
function raggedRows(step: number): number {
  if (step === 10) return 1;
  return step % 8 === 7 ? 11 : 51 + ((step * 3) % 10);
}

describe('batches of many sizes on the emulated device', () => {
  let addon: Addon;
  before(function () {
    useEmulatedDevice(this);
    addon = loadAddon();
  });
  after(leaveEmulatedDevice);

  function side({ plan, parameters }: Model, options: { device?: DeviceSpec; profile?: boolean } = {}): Side {
    const weights = modelWeights(parameters, uniform(41));
    const store = storeWith(addon, parameters, weights, OPTIMIZERS, options.device);
    const { profile = false } = options;
    return { store, program: new addon.Program(plan, store, { threads: 1, capacity: CAPACITY, seed: 1, profile }) };
  }

  const raggedBatch = ({ plan }: Model, step: number, rows = raggedRows(step)): ArrayBatch =>
    toArrayBatch(randomBatch(plan, uniform(1000 + step), { rows, positive: true }));

  function assertSameBytes(a: NativeParameterStore, b: NativeParameterStore): void {
    for (const { name } of [...a.parameters(), ...a.states()]) assert.deepEqual(a.read(name), b.read(name), name);
  }

  for (const [name, build] of MODELS) {
    it(`${name}: as on the CPU, and the same bytes without graphs`, async () => {
      const model = build();
      const cpu = side(model);
      const graphs = side(model, { device: GPU });
      const plain = side(model, { device: GPU, profile: true });
      for (let step = 0; step < 16; step += 1) {
        const batch = raggedBatch(model, step);
        const [expected, got, same] = await Promise.all(
          [cpu, graphs, plain].map(({ program }) => program.step(batch, { step, ...RATES })),
        );
        assertAllClose(present(got), present(expected), 2e-5, `statistics of step ${step}`);
        assert.deepEqual(same, got);
      }
      assertSameBytes(plain.store, graphs.store);
      for (const { name } of cpu.store.parameters()) {
        assertAllClose(graphs.store.read(name), cpu.store.read(name), 1e-4, name);
      }
    }).timeout(300_000);

    it(`${name}: reads nothing that an earlier batch left behind`, async () => {
      const model = build();
      const fresh = side(model, { device: GPU });
      const spoilt = side(model, { device: GPU });
      const nan = spoil(raggedBatch(model, 99, CAPACITY));
      for (let step = 0; step < 5; step += 1) {
        // One for each of the places in which batches lie.
        for (let slot = 0; slot < 2; slot += 1) {
          await assert.rejects(spoilt.program.step(nan, { step, ...RATES }), { code: 'NON_FINITE' });
        }
        const batch = raggedBatch(model, step);
        const expected = await fresh.program.step(batch, { step, ...RATES });
        assert.deepEqual(await spoilt.program.step(batch, { step, ...RATES }), expected);
      }
      assertSameBytes(spoilt.store, fresh.store);
    }).timeout(300_000);
  }

  it('predictions are those of the batch alone', async () => {
    const { plan, parameters } = requestModel({ training: false });
    const weights = modelWeights(parameters, uniform(41));
    const programs = [undefined, GPU].map((device) => {
      const store = storeWith(addon, parameters, weights, SGD, device);
      return new addon.Program(plan, store, { threads: 1, capacity: CAPACITY, seed: 1 });
    });
    for (const rows of [60, 51, 53, 51, 52, 1, 53, 11]) {
      const batch = toArrayBatch(randomBatch(plan, uniform(rows), { rows, positive: true }));
      const [expected, got] = await Promise.all(programs.map((program) => program.predict(batch)));
      present(got).forEach((output, index) => {
        assert.equal(output.length, rows);
        assertAllClose(output, present(expected?.[index]), 1e-5, `output ${index} of ${rows} rows`);
      });
    }
  });
});

/** A batch that fills whatever holds numbers with NaN. */
function spoil(batch: ArrayBatch): ArrayBatch {
  const nan = (values: Float32Array): Float32Array => values.map(() => Number.NaN);
  return {
    ...batch,
    dense: batch.dense?.map(nan),
    targets: batch.targets?.map(nan),
    taskMask: batch.taskMask?.map(() => 2 ** (batch.targets?.length ?? 0) - 1),
  };
}
