/** Weighing tasks by their gradients on the emulated device, as on the CPU. */
import assert from 'node:assert/strict';
import { type BalancingRequest, LOG_VARIANCES, type Lowered } from '../../src/graph/index.js';
import { trainingProgram } from '../../src/models/registry.js';
import { loadAddon } from '../../src/runtime/load.js';
import type { Addon, DeviceSpec, NativeParameterStore, NativeProgram } from '../../src/runtime/native.js';
import {
  assertAllClose,
  dense,
  modelWeights,
  OPTIMIZERS,
  type Optimizers,
  sparse,
  storeWith,
} from '../graph/native-support.js';
import { randomBatch, toArrayBatch, uniform } from '../graph/random.js';
import { present } from '../graph/reference.js';
import { requestModel } from '../graph/request-model.js';
import { CONVERSIONS, DLRM, FEATURES, PLE, TASKS, TWO_TOWER } from '../models/fixtures.js';
import { leaveEmulatedDevice, useEmulatedDevice } from '../support/emulated-device.js';

const GPU: DeviceSpec = { cuda: 0, matmul: 'float32' };
const CAPACITY = 33;
const RATES = { denseLr: 0.001, sparseLr: 0.01, update: true };
const ADAM: Optimizers = { dense: dense('adam', { epsilon: 1e-4 }), sparse: sparse('rowwise-adagrad') };

const REQUESTS: readonly BalancingRequest[] = [
  { kind: 'fixed', apart: true },
  { kind: 'uncertainty' },
  { kind: 'uncertainty', apart: true },
  { kind: 'pcgrad' },
  ...(['none', 'l2', 'loss', 'loss+'] as const).map(
    (normalisation): BalancingRequest => ({ kind: 'mgda', normalisation }),
  ),
];

type Model = Pick<Lowered, 'plan' | 'parameters'>;

interface Side {
  readonly store: NativeParameterStore;
  readonly program: NativeProgram;
}

describe('weighing tasks on the emulated device', () => {
  let addon: Addon;
  before(function () {
    useEmulatedDevice(this);
    addon = loadAddon();
  });
  after(leaveEmulatedDevice);

  function side(
    { plan, parameters }: Model,
    settings: Optimizers,
    options: { device?: DeviceSpec; profile?: boolean } = {},
  ): Side {
    const { device, profile = false } = options;
    const store = storeWith(addon, parameters, modelWeights(parameters, uniform(41)), settings, device);
    const { clipNorm, clipScope } = settings;
    const program = new addon.Program(plan, store, {
      threads: 1,
      capacity: CAPACITY,
      seed: 5,
      profile,
      clipNorm,
      clipScope,
    });
    return { store, program };
  }

  /** Steps of ragged batches; weights of MGDA end within its tolerance, which the next steps start from. */
  async function assertAsOnCpu(model: Model, settings: Optimizers, tolerance: number): Promise<void> {
    const cpu = side(model, settings);
    const gpu = side(model, settings, { device: GPU });
    const plain = side(model, settings, { device: GPU, profile: true });
    const random = uniform(43);
    for (let step = 0; step < 8; step += 1) {
      const batch = toArrayBatch(
        randomBatch(model.plan, random, { rows: step % 5 === 4 ? 9 : 29 + (step % 5), positive: true }),
      );
      const sides = [cpu, gpu, plain];
      const [expected, got, same] = await Promise.all(
        sides.map(({ program }) => program.step(batch, { step, ...RATES })),
      );
      assertAllClose(present(got), present(expected), tolerance, `statistics of step ${step}`);
      assert.deepEqual(same, got);
      const [wanted, report, again] = sides.map(({ program }) => present(program.balance() ?? undefined));
      assertAllClose(present(report).gram, present(wanted).gram, tolerance, `gram of step ${step}`);
      assertAllClose(present(report).weights, present(wanted).weights, 10 * tolerance, `weights of step ${step}`);
      assert.deepEqual(again, report);
    }
    for (const { name } of [...cpu.store.parameters(), ...cpu.store.states()]) {
      assertAllClose(gpu.store.read(name), cpu.store.read(name), tolerance, name);
      assert.deepEqual(plain.store.read(name), gpu.store.read(name), name);
    }
  }

  for (const model of [TWO_TOWER, DLRM]) {
    for (const balancing of REQUESTS) {
      it(`${model.kind} with ${Object.values({ ...balancing, ...(balancing.apart ? { apart: 'apart' } : {}) }).join(' ')}: weights and steps of the CPU`, async () => {
        const program = trainingProgram(model, FEATURES, TASKS, { balancing });
        assert.ok(program.plan.balancing !== undefined);
        await assertAsOnCpu(program, ADAM, balancing.kind === 'mgda' ? 3e-4 : 3e-5);
      });
    }
  }

  it('ple with pcgrad and mgda, whose towers are of single tasks', async () => {
    for (const kind of ['pcgrad', 'mgda'] as const) {
      const program = trainingProgram(PLE, FEATURES, CONVERSIONS['ctr+cvr(product)'], { balancing: { kind } });
      await assertAsOnCpu(program, ADAM, 3e-4);
    }
  });

  it('features of requests with gradients of their lookups apart', async () => {
    for (const kind of ['pcgrad', 'mgda'] as const) {
      const model = requestModel({ balancing: { kind } });
      assert.ok(kind === 'pcgrad' || present(model.plan.balancing).pooled.length > 0);
      await assertAsOnCpu(model, ADAM, 3e-4);
    }
  });

  for (const [name, settings] of OPTIMIZERS) {
    it(`log-variances move as on the CPU with ${name}`, async () => {
      const program = trainingProgram(TWO_TOWER, FEATURES, TASKS, { balancing: { kind: 'uncertainty' } });
      await assertAsOnCpu(program, settings, 3e-5);
    });
  }

  it('a refused step moves no log-variance, nor does that of a task without rows', async () => {
    const model = trainingProgram(DLRM, FEATURES, TASKS, { balancing: { kind: 'uncertainty' } });
    const { store, program } = side(model, ADAM, { device: GPU });
    const before = store.read(LOG_VARIANCES);
    const batch = toArrayBatch(randomBatch(model.plan, uniform(44), { rows: CAPACITY }));
    const bad = { ...batch, dense: batch.dense?.map((values) => values.map(() => Number.NaN)) };
    await assert.rejects(program.step(bad, { step: 0, ...RATES }), { code: 'NON_FINITE' });
    assert.deepEqual(store.read(LOG_VARIANCES), before);
    const some = { ...batch, taskMask: batch.taskMask?.map((mask) => mask % 4) };
    await program.step(some, { step: 0, ...RATES });
    const moved = [...store.read(LOG_VARIANCES)].map((value, k) => value !== before[k]);
    assert.deepEqual(moved, [true, true, false]);
    await program.step(batch, { step: 1, ...RATES, update: false });
    assert.deepEqual(
      [...store.read(LOG_VARIANCES)].map((value, k) => value !== before[k]),
      moved,
    );
  });
});
