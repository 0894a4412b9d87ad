/** Programs driven from JavaScript: training, prediction, and errors instead of crashes. */
import assert from 'node:assert/strict';
import { loadAddon } from '../../src/runtime/load.js';
import { type NativeParameterStore, TASK_STATS } from '../../src/runtime/native.js';
import {
  makeBatch,
  makeDataset,
  makeLoader,
  makePredictor,
  makeStore,
  makeTrainer,
  PREDICTION,
  runRequest,
  SETTINGS,
  STORE,
  TRAINING,
} from './fixture.js';

const ROWS = 5000;

describe('a native program', () => {
  it('learns from a loader, one row of statistics per step', async () => {
    const trainer = makeTrainer(makeStore());
    const loader = makeLoader(makeDataset(ROWS), { epochs: 5 });
    const result = await trainer.run(loader, runRequest(1000));
    const steps = Math.ceil(ROWS / 256) * 5;
    assert.equal(result.steps, steps);
    assert.equal(result.rows, ROWS * 5);
    assert.equal(result.ended, true);
    assert.equal(result.nonFinite, undefined);
    assert.equal(result.stats.length, steps * TASK_STATS.length);
    const lossOf = (step: number) =>
      (result.stats[step * TASK_STATS.length] ?? 0) / (result.stats[step * TASK_STATS.length + 1] ?? 0);
    assert.ok(lossOf(steps - 2) < 0.5 * lossOf(0), `${lossOf(0)} to ${lossOf(steps - 2)}`);
    assert.ok(result.waitSeconds <= result.seconds);
  });

  it('gives the same bytes for one run and for a run in two pieces', async () => {
    const names = TRAINING.parameters.map(({ name }) => name);
    const whole = makeStore();
    await makeTrainer(whole).run(makeLoader(makeDataset(ROWS)), runRequest(20));
    const pieces = makeStore();
    const trainer = makeTrainer(pieces);
    const loader = makeLoader(makeDataset(ROWS));
    assert.equal((await trainer.run(loader, runRequest(7))).steps, 7);
    await trainer.run(loader, runRequest(13, 7));
    for (const name of [...names, ...whole.states().map((state) => state.name)]) {
      assert.deepEqual(pieces.read(name), whole.read(name), name);
    }
  });

  for (const tableType of ['bfloat16', 'float16'] as const) {
    it(`trains tables of ${tableType}: near those of 32 bits, and the same bytes from a copy half-way`, async () => {
      const store = (): NativeParameterStore => new (loadAddon().ParameterStore)({ ...STORE, tableType });
      const wide = makeStore();
      await makeTrainer(wide).run(makeLoader(makeDataset(ROWS)), runRequest(20));
      const whole = store();
      await makeTrainer(whole).run(makeLoader(makeDataset(ROWS)), runRequest(20));
      const table = whole.read('embeddings.ad');
      // Of float32's bits, the lower are 0: 16, or 13 unless they are a multiple of 2^-24.
      const bits = new Uint32Array(table.buffer);
      const holds = (value: number, i: number): boolean =>
        tableType === 'bfloat16'
          ? (bits[i] ?? 1) % 2 ** 16 === 0
          : Math.abs(value) < 2 ** -14
            ? Number.isInteger(value * 2 ** 24)
            : (bits[i] ?? 1) % 2 ** 13 === 0;
      assert.ok(table.every(holds));
      assert.ok(table.some((value) => value !== 0));
      table.forEach((value, i) => {
        const other = wide.read('embeddings.ad')[i] ?? Number.NaN;
        assert.ok(Math.abs(value - other) < 0.02 + 0.05 * Math.abs(other), `${value} and ${other}`);
      });
      const first = store();
      const loader = makeLoader(makeDataset(ROWS));
      await makeTrainer(first).run(loader, runRequest(7));
      const second = store();
      const tensors = [...first.parameters(), ...first.states()].map(({ name }) => name);
      for (const name of tensors) second.write(name, first.read(name));
      await makeTrainer(second).run(loader, runRequest(13, 7));
      for (const name of tensors) assert.deepEqual(second.read(name), whole.read(name), name);
    });
  }

  it('predicts with the parameters that another program trains', async () => {
    const store = makeStore();
    const before = await makePredictor(store).predict(makeBatch(100));
    await makeTrainer(store).step(makeBatch(100), { step: 0, denseLr: 0.01, sparseLr: 0.05, update: true });
    const predictor = makePredictor(store);
    const [after] = await predictor.predict(makeBatch(100));
    assert.equal(after?.length, 100);
    assert.notDeepEqual(after, before[0]);
    assert.deepEqual(predictor.readOutput(0), after);
    const all = await predictor.predictAll(
      makeLoader(makeDataset(1000), { training: false, tasks: [], batchSize: 300 }),
    );
    assert.equal(all[0]?.length, 1000);
    after?.forEach((value, row) => {
      assert.ok(Math.abs(value - (all[0]?.[row] ?? Number.NaN)) < 1e-6, `row ${row}`);
    });
  });

  it('notices that parameters have changed since its last prediction', async () => {
    const store = makeStore();
    const predictor = makePredictor(store);
    const predict = async (): Promise<Float32Array | undefined> => (await predictor.predict(makeBatch(100)))[0];
    const fresh = async (): Promise<Float32Array | undefined> =>
      (await makePredictor(store).predict(makeBatch(100)))[0];
    const first = await predict();
    assert.deepEqual(await predict(), first);
    await makeTrainer(store).step(makeBatch(100), { step: 0, denseLr: 0.01, sparseLr: 0.05, update: true });
    const trained = await predict();
    assert.notDeepEqual(trained, first);
    assert.deepEqual(trained, await fresh());
    const weights = store.read('top.0.weight');
    store.write(
      'top.0.weight',
      weights.map((value) => -value),
    );
    assert.notDeepEqual(await predict(), trained);
    assert.deepEqual(await predict(), await fresh());
    store.write('top.0.weight', weights);
    assert.deepEqual(await predict(), trained);
  });

  it('stops at a non-finite loss and names step, task and rows of the dataset', async () => {
    const store = makeStore();
    const trainer = makeTrainer(store);
    const loader = makeLoader(makeDataset(ROWS));
    const first = await trainer.run(loader, runRequest(2));
    assert.equal(first.nonFinite, undefined);
    store.write('top.1.bias', Float32Array.of(Number.NaN));
    const before = store.read('top.0.weight');
    const result = await trainer.run(loader, runRequest(10, 2));
    assert.deepEqual(result.nonFinite, { step: 2, tasks: [0], rows: [512] });
    assert.equal(result.steps, 1);
    assert.deepEqual(store.read('top.0.weight'), before);
  });

  it('refuses a loader that another run reads from', async () => {
    const loader = makeLoader(makeDataset(ROWS));
    const store = makeStore();
    const pending = makeTrainer(store).run(loader, runRequest(20));
    assert.throws(() => makeTrainer(store).run(loader, runRequest(1)), /await its promise first/);
    assert.equal((await pending).steps, 20);
  });

  it('keeps the event loop free and can be cancelled', async () => {
    const trainer = makeTrainer(makeStore());
    let ticks = 0;
    const timer = setInterval(() => {
      ticks += 1;
      if (ticks === 5) trainer.cancel();
    }, 5);
    const steps = 1e6;
    const result = await trainer.run(makeLoader(makeDataset(ROWS), { epochs: 1e6 }), runRequest(steps));
    clearInterval(timer);
    assert.ok(ticks >= 5);
    assert.ok(result.steps > 0 && result.steps < steps);
    assert.equal(result.ended, false);
  });

  it('refuses wrong arguments by name', async () => {
    const { Program, ParameterStore } = loadAddon();
    const store = makeStore();
    const invalid = (message: RegExp) => ({ code: 'INVALID_ARGUMENT', message });
    assert.throws(() => new Program(TRAINING.plan, store, { ...SETTINGS, threads: -1 }), invalid(/threads .*got -1/));
    assert.throws(() => new Program({} as never, store, SETTINGS), invalid(/Plan\.tileRows/));
    assert.throws(() => new Program(TRAINING.plan, {} as never, SETTINGS), invalid(/expected a ParameterStore/));
    const dataset = makeDataset(10);
    assert.throws(() => new Program(TRAINING.plan, dataset as never, SETTINGS), invalid(/expected a ParameterStore/));
    assert.throws(() => new ParameterStore({ ...STORE, seed: 0.5 }), invalid(/seed .*got 0\.5/));
    const trainer = makeTrainer(store);
    assert.throws(() => trainer.run(store as never, runRequest(1)));
    assert.throws(() => trainer.run(makeLoader(dataset), {} as never), invalid(/firstStep/));
    assert.throws(() => store.write('top.0.weight', new Float32Array(3)), invalid(/elements/));
    assert.throws(() => store.read('nothing'), { code: 'NOT_FOUND' });
    assert.throws(() => trainer.readOutput(99), { code: 'OUT_OF_RANGE' });
    await assert.rejects(makePredictor(store).step(makeBatch(3), { step: 0, denseLr: 0, sparseLr: 0, update: true }));
  });

  it('refuses batches that do not fit', async () => {
    const trainer = makeTrainer(makeStore());
    const options = { step: 0, denseLr: 0.01, sparseLr: 0.01, update: true };
    const good = makeBatch(8);
    const step = (change: object) => trainer.step({ ...good, ...change }, options);
    assert.throws(() => step({ dense: [new Float32Array(3)] }), /dense.*3 elements, expected 16/);
    assert.throws(() => step({ dense: [new Float64Array(16)] }), /must be a Float32Array, got a Float64Array/);
    assert.throws(() => step({ ids: [{ ids: new Uint32Array(8).fill(50) }] }), { code: 'OUT_OF_RANGE' });
    assert.throws(() => step({ taskMask: new Uint32Array(8).fill(2) }), /taskMask/);
    assert.throws(() => step({ targets: undefined }), /targets/);
    assert.throws(() => step({ targets: [new Float32Array(8).fill(2)] }), /outside \[0, 1\]/);
    assert.throws(() => step({ weight: new Float32Array(8).fill(-1) }), /weight/);
    await assert.rejects(trainer.step(makeBatch(513), options), /capacity of 512/);
    await assert.rejects(step({ dense: [new Float32Array(16).fill(Number.NaN)] }), { code: 'NON_FINITE' });
    const stats = await step({});
    assert.equal(stats[TASK_STATS.indexOf('count')], 8);
  });

  it('takes rows of a larger matrix as an input', async () => {
    const predictor = makePredictor(makeStore());
    const { rows, dense: [x = new Float32Array()] = [], ids } = makeBatch(9);
    const values = new Float32Array(20 * 2).fill(Number.NaN);
    const chosen = Uint32Array.from({ length: rows }, (_, i) => 19 - 2 * i);
    chosen.forEach((row, i) => {
      values.set(x.subarray(2 * i, 2 * i + 2), 2 * row);
    });
    const expected = await predictor.predict({ rows, dense: [x], ids });
    assert.deepEqual(await predictor.predict({ rows, dense: [{ values, rows: chosen }], ids }), expected);

    // What changes after the call does not change its result.
    const pending = predictor.predict({ rows, dense: [{ values, rows: chosen }], ids });
    values.fill(0);
    assert.deepEqual(await pending, expected);

    const given = (matrix: object) => () => predictor.predict({ rows, dense: [matrix as never], ids });
    const last = chosen.slice();
    last[8] = 20;
    assert.throws(given({ values, rows: last }), {
      code: 'OUT_OF_RANGE',
      message: /dense\[0\] \(x\)\.rows: row 20 at position 8 is not below the 20 rows/,
    });
    assert.throws(given({ values, rows: chosen.subarray(1) }), /rows has 8 elements, expected 9/);
    assert.throws(given({ values: values.subarray(1), rows: chosen }), /39 elements, which are no rows of 2/);
    assert.throws(given({ values: new Float64Array(40), rows: chosen }), /values must be a Float32Array/);
    assert.throws(given({ rows: chosen }), /values must be a Float32Array, got undefined/);
    assert.throws(given({ values: new Float32Array(0), rows: chosen }), { code: 'OUT_OF_RANGE' });
  });

  it('refuses plans that do not fit the store', () => {
    const { Program } = loadAddon();
    const tables = PREDICTION.plan.tables.map((table) => ({ ...table, rows: 51 }));
    assert.throws(() => new Program({ ...PREDICTION.plan, tables }, makeStore(), SETTINGS), /embeddings\.ad/);
  });
});
