/** Tables that stay in the host's memory: the bytes of tables on the device, and room for more. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { evaluate, loadConfig, openRun, train } from '../../src/index.js';
import { predictionProgram, trainingProgram } from '../../src/models/registry.js';
import { loadAddon } from '../../src/runtime/load.js';
import type {
  Addon,
  DeviceSpec,
  NativeParameterStore,
  NativeProgram,
  ParameterSpec,
  TableType,
} from '../../src/runtime/native.js';
import { dense, modelWeights, type Optimizers, sparse } from '../graph/native-support.js';
import { randomBatch, toArrayBatch, uniform } from '../graph/random.js';
import { present } from '../graph/reference.js';
import { DLRM, FEATURES, TASKS } from '../models/fixtures.js';
import { leaveEmulatedDevice, useEmulatedDevice } from '../support/emulated-device.js';
import { sampleConfig, writeLogs } from '../support/sample-run.js';
import { skip } from '../support/skip.js';

const GPU: DeviceSpec = { cuda: 0, matmul: 'float32' };
const RATES = { denseLr: 0.001, sparseLr: 0.02, update: true };

describe('tables in the host memory of the emulated device', () => {
  let addon: Addon;
  before(function () {
    useEmulatedDevice(this);
    addon = loadAddon();
  });
  after(leaveEmulatedDevice);

  /** The tables' names are those that stay with the host. */
  function trainer(
    settings: Optimizers,
    tableType: TableType,
    hostTables: readonly string[],
  ): { readonly store: NativeParameterStore; readonly program: NativeProgram } {
    const { plan, parameters } = trainingProgram(DLRM, FEATURES, TASKS);
    const host = (spec: ParameterSpec): boolean => hostTables.includes(spec.name);
    const store = new addon.ParameterStore({
      parameters: parameters.map((spec) => ({ ...spec, host: host(spec) })),
      dense: settings.dense,
      sparse: settings.sparse,
      tableType,
      device: GPU,
      training: true,
      seed: 1,
    });
    for (const [name, values] of modelWeights(parameters, uniform(41))) store.write(name, Float32Array.from(values));
    return { store, program: new addon.Program(plan, store, { threads: 1, capacity: 33, seed: 1 }) };
  }

  function assertSame(a: NativeParameterStore, b: NativeParameterStore): void {
    for (const { name } of [...a.parameters(), ...a.states()]) assert.deepEqual(a.read(name), b.read(name), name);
  }

  for (const [kind, tableType] of [
    ['rowwise-adagrad', 'float32'],
    ['adagrad', 'float32'],
    ['adam', 'bfloat16'],
    ['sgd', 'bfloat16'],
  ] as const) {
    it(`fifty steps with ${kind} on ${tableType} leave the same bytes`, async () => {
      const settings: Optimizers = { dense: dense('adam'), sparse: sparse(kind) };
      const { plan } = trainingProgram(DLRM, FEATURES, TASKS);
      const onDevice = trainer(settings, tableType, []);
      const sides = [
        trainer(settings, tableType, ['embeddings.ad_id']),
        trainer(settings, tableType, ['embeddings.ad_id', 'embeddings.words', 'embeddings.country']),
      ];
      const random = uniform(43);
      for (let step = 0; step < 50; step += 1) {
        const batch = toArrayBatch(randomBatch(plan, random, { rows: step % 7 === 6 ? 5 : 33 }));
        const expected = await onDevice.program.step(batch, { step, ...RATES });
        for (const { program } of sides) assert.deepEqual(await program.step(batch, { step, ...RATES }), expected);
      }
      for (const { store } of sides) assertSame(store, onDevice.store);
    });
  }

  it('are read and written through the store, and change nothing in a refused step', async () => {
    const settings: Optimizers = { dense: dense('adam'), sparse: sparse('adagrad') };
    const { plan } = trainingProgram(DLRM, FEATURES, TASKS);
    const { store, program } = trainer(settings, 'float32', ['embeddings.ad_id']);
    const good = toArrayBatch(randomBatch(plan, uniform(46), { rows: 33 }));
    await program.step(good, { step: 0, ...RATES });
    const names = [...store.parameters(), ...store.states()].map(({ name }) => name);
    const before = names.map((name) => store.read(name));
    const bad = toArrayBatch(randomBatch(plan, uniform(47), { rows: 33 }));
    present(present(bad.dense)[0]).fill(Number.NaN);
    await assert.rejects(program.step(bad, { step: 1, ...RATES }), { code: 'NON_FINITE' });
    names.forEach((name, index) => {
      assert.deepEqual(store.read(name), before[index], name);
    });
    for (const name of ['embeddings.ad_id', 'embeddings.ad_id.accumulator']) {
      const values = store.read(name).map((value) => value + 1);
      store.write(name, values);
      assert.deepEqual(store.read(name), values);
    }
    await program.step(good, { step: 1, ...RATES });
    assert.notDeepEqual(store.read('embeddings.ad_id'), before[names.indexOf('embeddings.ad_id')]);
  });

  it('hold what the device has no room for', function () {
    if (process.env.PRERANK_TEST_GPU === '1') skip(this, 'for the emulated device only');
    const { plan, parameters } = predictionProgram(DLRM, FEATURES, TASKS);
    const large = 'embeddings.words';
    const rows = 8_000_000;
    const program = (host: boolean): NativeProgram => {
      const store = new addon.ParameterStore({
        parameters: parameters.map((spec) => {
          const shape = spec.name === large ? [rows, present(spec.shape[1])] : spec.shape;
          return { ...spec, shape, host: host && spec.name === large };
        }),
        dense: dense('adam'),
        sparse: sparse('sgd'),
        device: GPU,
        training: false,
        seed: 1,
      });
      const tables = plan.tables.map((table) => (table.name === large ? { ...table, rows } : table));
      return new addon.Program({ ...plan, tables }, store, { threads: 1, capacity: 33, seed: 1 });
    };
    const { bytes, freeBytes } = present(addon.cuda().devices[0]);
    // Products have two workspaces of 32 MiB; the table would fill 92 MiB.
    process.env.PRERANK_EMULATED_DEVICE = `memory=${bytes - freeBytes + 80_000_000}`;
    try {
      assert.throws(() => program(false), {
        code: 'OUT_OF_MEMORY',
        message: /parameter embeddings\.words needs 92 MiB .*; training\.hostTables names tables/,
      });
      assert.ok(program(true).bytes > 0);
    } finally {
      delete process.env.PRERANK_EMULATED_DEVICE;
    }
  });

  it('can be tables only', () => {
    const { parameters } = trainingProgram(DLRM, FEATURES, TASKS);
    const options = { dense: dense('adam'), sparse: sparse('sgd'), training: true, seed: 1, device: GPU };
    const host = parameters.map((spec) => ({ ...spec, host: true }));
    assert.throws(() => new addon.ParameterStore({ ...options, parameters: host }), /only tables may stay/);
  });
});

describe('training.hostTables', () => {
  let folder: string;
  const SET = ['training.epochs=1', 'training.checkpointEverySteps=8'];
  const HOST = [...SET, 'training.device=cuda:0', 'training.hostTables=[ad_id, user_id]'];
  const config = (set: readonly string[]) => loadConfig(sampleConfig(folder), { set });
  const model = (run: string): Promise<Buffer> => readFile(join(folder, run, 'model', 'model.safetensors'));
  before(async function () {
    useEmulatedDevice(this);
    folder = await mkdtemp(join(tmpdir(), 'prerank-host-tables-'));
    await writeLogs(folder);
  });
  after(async () => {
    leaveEmulatedDevice();
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  it('leave the same model, checkpoints and metrics as tables of the device', async () => {
    const expected = await train(config([...SET, 'training.device=cuda:0']), { out: join(folder, 'device') });
    const got = await train(config(HOST), { out: join(folder, 'host') });
    assert.deepEqual(got.metrics, expected.metrics);
    assert.deepEqual(await model('host'), await model('device'));
    const optimizer = (run: string): Promise<Buffer> =>
      readFile(join(folder, run, 'checkpoints', 'step-16', 'optimizer.safetensors'));
    assert.deepEqual(await optimizer('host'), await optimizer('device'));
    const { tasks, replay } = await evaluate(await openRun(join(folder, 'host')));
    assert.deepEqual({ ...tasks, replay }, got.metrics.eval);
    const onCpu = await evaluate(await openRun(join(folder, 'host'), { device: 'cpu' }));
    assert.ok(Math.abs(Number(onCpu.tasks.ctr?.ne) - Number(tasks.ctr?.ne)) < 1e-5);
  });

  it('must name tables, and a GPU', async () => {
    assert.throws(() => config([...SET, 'training.hostTables=[ad_di]']), {
      code: 'CONFIG_INVALID',
      message: /no feature has a table "ad_di".*"?ad_id"?/,
    });
    await assert.rejects(train(config([...HOST, 'training.device=cpu']), { out: join(folder, 'cpu') }), {
      code: 'CONFIG_INVALID',
      message: /tables have a place to choose on a GPU only/,
    });
  });
});
