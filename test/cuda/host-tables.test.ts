/** Tables that stay in the host's memory: the bytes of tables on the device, and room for more. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { evaluate, loadConfig, openRun, type TrainerCallback, train } from '../../src/index.js';
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
const SOME = ['embeddings.ad_id', 'embeddings.words', 'embeddings.country'];
const RATES = { denseLr: 0.001, sparseLr: 0.02, update: true };

describe('tables in the host memory of the emulated device', () => {
  let addon: Addon;
  before(function () {
    useEmulatedDevice(this);
    addon = loadAddon();
  });
  after(leaveEmulatedDevice);

  /** The tables' names are those that stay with the host. cacheRoom: bytes besides the numbers of slots; none: as many as help. */
  function trainer(
    settings: Optimizers,
    tableType: TableType,
    hostTables: readonly string[],
    cacheRoom?: number,
  ): { readonly store: NativeParameterStore; readonly program: NativeProgram } {
    const { plan, parameters } = trainingProgram(DLRM, FEATURES, TASKS);
    const host = (spec: ParameterSpec): boolean => hostTables.includes(spec.name);
    const rows = parameters.filter(host).reduce((sum, { shape }) => sum + present(shape[0]), 0);
    const tableCache = cacheRoom === undefined ? undefined : cacheRoom === 0 ? 0 : rows * 4 + cacheRoom;
    const store = new addon.ParameterStore({
      parameters: parameters.map((spec) => ({ ...spec, host: host(spec) })),
      dense: settings.dense,
      sparse: settings.sparse,
      tableType,
      device: { ...GPU, ...(tableCache === undefined ? {} : { tableCache }) },
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
    ['adagrad', 'float16'],
    ['rowwise-adagrad', 'float16'],
  ] as const) {
    it(`thirty steps with ${kind} on ${tableType} leave the same bytes`, async () => {
      const settings: Optimizers = { dense: dense('adam'), sparse: sparse(kind) };
      const { plan } = trainingProgram(DLRM, FEATURES, TASKS);
      const onDevice = trainer(settings, tableType, []);
      // Without a cache, with a slot for each kind of rows, with fewer than a batch has, and with one for every row.
      const sides = [
        trainer(settings, tableType, ['embeddings.ad_id'], 0),
        ...[1, 1500, undefined].map((room) => trainer(settings, tableType, SOME, room)),
      ];
      const random = uniform(43);
      for (let step = 0; step < 30; step += 1) {
        const batch = toArrayBatch(randomBatch(plan, random, { rows: step % 7 === 6 ? 5 : 33 }));
        const expected = await onDevice.program.step(batch, { step, ...RATES });
        for (const { program } of sides) assert.deepEqual(await program.step(batch, { step, ...RATES }), expected);
      }
      for (const { store } of sides) assertSame(store, onDevice.store);
    });
  }

  for (const room of [0, 1000, undefined]) {
    it(`predict and are written between steps, beside a cache of ${room ?? 'all rows'}`, async () => {
      const settings: Optimizers = { dense: dense('adam'), sparse: sparse('adagrad') };
      const { plan } = trainingProgram(DLRM, FEATURES, TASKS);
      const predicting = predictionProgram(DLRM, FEATURES, TASKS).plan;
      const sides = [trainer(settings, 'float32', []), trainer(settings, 'float32', SOME, room)].map((side) => ({
        ...side,
        prediction: new addon.Program(predicting, side.store, { threads: 1, capacity: 60, seed: 1 }),
      }));
      const random = uniform(44);
      for (let step = 0; step < 20; step += 1) {
        const batch = toArrayBatch(randomBatch(plan, random, { rows: 9 }));
        const asked = toArrayBatch(randomBatch(predicting, random, { rows: 60 }));
        const results = [];
        for (const { program, prediction, store } of sides) {
          await program.step(batch, { step, ...RATES });
          results.push(await prediction.predict(asked));
          if (step % 5 === 4) {
            const name = step === 9 ? 'embeddings.words.accumulator' : 'embeddings.ad_id';
            store.write(
              name,
              store.read(name).map((value) => value / 2),
            );
          }
        }
        assert.deepEqual(results[1], results[0]);
      }
      const [onDevice, host] = sides.map(({ store }) => store);
      assertSame(present(host), present(onDevice));
    });
  }

  it('refuse a cache that is too small', () => {
    const settings: Optimizers = { dense: dense('adam'), sparse: sparse('adagrad') };
    assert.throws(() => trainer(settings, 'float32', SOME, -1), {
      code: 'INVALID_ARGUMENT',
      message: /needs more than \d+ bytes/,
    });
  });

  it('refuse a cache that the device has no room for', function () {
    if (process.env.PRERANK_TEST_GPU === '1') skip(this, 'for the emulated device only');
    const { plan, parameters } = trainingProgram(DLRM, FEATURES, TASKS);
    const large = 'embeddings.words';
    const rows = 4_000_000;
    const { bytes, freeBytes } = present(addon.cuda().devices[0]);
    // Products have two workspaces of 32 MiB; the cache would fill 107 MiB.
    process.env.PRERANK_EMULATED_DEVICE = `memory=${bytes - freeBytes + 120_000_000}`;
    try {
      const store = new addon.ParameterStore({
        parameters: parameters.map((spec) =>
          spec.name === large ? { ...spec, shape: [rows, present(spec.shape[1])], host: true } : spec,
        ),
        dense: dense('adam'),
        sparse: sparse('sgd'),
        device: { ...GPU, tableCache: 2 ** 40 },
        training: true,
        seed: 1,
      });
      const tables = plan.tables.map((table) => (table.name === large ? { ...table, rows } : table));
      assert.throws(() => new addon.Program({ ...plan, tables }, store, { threads: 1, capacity: 33, seed: 1 }), {
        code: 'OUT_OF_MEMORY',
        message:
          /\d+ MiB {2}rows of tables in the host's memory \(training\.hostTableCache\)\n.*smaller training\.hostTableCache/s,
      });
    } finally {
      delete process.env.PRERANK_EMULATED_DEVICE;
    }
  });

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

  it('leave the same model whatever the cache, and say how often it had a row', async () => {
    const expected = await model('device');
    const lines = async (run: string): Promise<{ readonly hostTableHits?: number }[]> =>
      (await readFile(join(folder, run, 'metrics.jsonl'), 'utf8'))
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
    for (const size of ['0', '1']) {
      const run = `cache-${size}`;
      await train(config([...HOST, `training.hostTableCache=${size}`]), { out: join(folder, run) });
      assert.deepEqual(await model(run), expected);
      const hits = (await lines(run)).flatMap(({ hostTableHits: share }) => (share === undefined ? [] : [share]));
      if (size === '0') assert.deepEqual(hits, []);
      else assert.ok(hits.length > 0 && hits.every((share) => share >= 0 && share <= 1), String(hits));
    }
    const out = join(folder, 'resumed');
    const abort = new AbortController();
    const interrupt: TrainerCallback = { onCheckpoint: () => abort.abort() };
    const first = await train(config(HOST), { out, callbacks: [interrupt], signal: abort.signal });
    assert.equal(first.status, 'interrupted');
    await train(config([...HOST, 'training.hostTableCache=1']), { out, resume: true });
    assert.deepEqual(await model('resumed'), expected);
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
