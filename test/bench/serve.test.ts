import assert from 'node:assert/strict';
import { predictionBatch } from '../../src/bench/array-batches.js';
import { generateColumns } from '../../src/bench/generated-data.js';
import { keepVectors, keptBatch } from '../../src/bench/kept-vectors.js';
import { referenceModel } from '../../src/bench/scored-model.js';
import { benchServe } from '../../src/bench/serve.js';
import { benchServeRuns, formatServeRuns } from '../../src/bench/serve-runs.js';
import { formatServe } from '../../src/bench/serve-text.js';
import { predictionProgram } from '../../src/models/registry.js';
import { loadAddon } from '../../src/runtime/load.js';
import { dense, sparse } from '../graph/native-support.js';
import { FEATURES, TASKS, TWO_TOWER } from '../models/fixtures.js';
import { smallStep } from './fixture.js';

describe('bench: serve', () => {
  it('cuts batches with one row of user inputs a request', () => {
    const step = smallStep();
    const program = predictionProgram(step.model, step.features, step.tasks, { requestDomain: true });
    const columns = generateColumns(step, 100, 1);
    const batch = predictionBatch(program, columns, { first: 10, requests: 3, rowsPerRequest: 20 });
    assert.equal(batch.rows, 60);
    assert.deepEqual([...(batch.requestOfRow ?? [])].slice(18, 22), [0, 0, 1, 1]);
    for (const [i, { domain, columns: names }] of program.dense.entries()) {
      assert.equal(batch.dense?.[i]?.length, (domain === 'request' ? 3 : 60) * names.length);
    }
    for (const [i, { domain, multi, column }] of program.ids.entries()) {
      const { ids, offsets } = batch.ids?.[i] ?? {};
      const count = domain === 'request' ? 3 : 60;
      const chunk = columns.find(({ name }) => name === column)?.chunks[0];
      assert.ok(ids && chunk);
      assert.equal(offsets?.length, multi ? count + 1 : undefined);
      const begin = chunk.offsets === undefined ? 10 : (chunk.offsets[10] ?? 0);
      assert.deepEqual([...ids], [...chunk.values.subarray(begin, begin + ids.length)]);
      assert.equal(ids.length, offsets === undefined ? count : offsets.at(-1));
    }
  });

  it('scores lists with weights, drawn beside their ids', async () => {
    const addon = loadAddon();
    const program = predictionProgram(TWO_TOWER, FEATURES, TASKS, { requestDomain: true });
    const weighted = program.ids.filter(({ weights }) => weights !== undefined);
    assert.ok(weighted.length > 0);
    const drawn = { features: FEATURES, listLength: { min: 0, max: 5 } };
    const columns = generateColumns(drawn, 60, 1);
    const { ids = [] } = predictionBatch(program, columns, { first: 5, requests: 2, rowsPerRequest: 10 });
    for (const [i, { weights }] of program.ids.entries()) {
      assert.equal(ids[i]?.weights?.length, weights === undefined ? undefined : ids[i]?.ids.length);
      assert.ok((ids[i]?.weights ?? []).every((weight) => weight >= 0 && weight < 1));
    }
    const store = new addon.ParameterStore({
      parameters: program.parameters,
      sparse: sparse('sgd'),
      dense: dense('sgd'),
      training: false,
      seed: 1,
    });
    const model = { ...drawn, name: 'weighted', program, sides: null, store };
    const options = { ads: 10, threads: [1], requestsPerCall: [2], requests: 4, seed: 1 };
    const { results, adVectors } = await benchServe(addon, model, options);
    assert.ok((results[0]?.qps ?? 0) > 0);
    assert.deepEqual([adVectors, results.map(({ vectors }) => vectors)], [null, ['computed']]);
  });

  it('finds the vectors of the ads that the whole computation scores', async () => {
    const addon = loadAddon();
    const model = referenceModel(addon, smallStep(), 1);
    const { sides, program, store } = model;
    assert.ok(sides);
    const columns = generateColumns(model, 2300, 1);
    const kept = await keepVectors(addon, sides, store, columns, { ads: 2300, seed: 1 });
    assert.equal(kept.values.length, 2300 * sides.width);
    const shape = { first: 1900, requests: 3, rowsPerRequest: 90 };
    const settings = { threads: 1, capacity: 270, requestCapacity: 3, seed: 1 };
    const whole = new addon.Program(program.plan, store, settings);
    const scoring = new addon.Program(sides.scoring.plan, store, settings);
    assert.deepEqual(
      await scoring.predict(keptBatch(sides, kept, columns, shape)),
      await whole.predict(predictionBatch(program, columns, shape)),
    );
  });

  it('takes models of several runs in turn, each against the first', async () => {
    const addon = loadAddon();
    const before = addon.bench.allowedCores();
    const models = ['a', 'b'].map((name) => ({ ...referenceModel(addon, smallStep(), 1), name }));
    const result = await benchServeRuns(addon, models, { ads: 20, requests: 6, rounds: 3, seed: 1 });
    assert.deepEqual(addon.bench.allowedCores(), before);
    const [first, second] = result.runs;
    assert.ok(first?.speedUp === null && first.latency.samples === 6);
    const { ratio = 0, ratioLow = 0, ratioHigh = 0 } = second?.speedUp ?? {};
    assert.ok(ratio > 0 && ratioLow <= ratio && ratio <= ratioHigh);
    assert.match(formatServeRuns(result), /faster than the first\n.*a .*\n.*b .*\(.* to .*\)/s);
  });

  it('reports rates and latencies of every combination', async () => {
    const addon = loadAddon();
    const before = addon.bench.allowedCores();
    const options = { ads: 50, threads: [1, 2], requestsPerCall: [1, 4], requests: 8, seed: 1 };
    const result = await benchServe(addon, referenceModel(addon, smallStep(), 1), options);
    assert.deepEqual(
      result.results.map((timing) => [timing.vectors, timing.threads, timing.requestsPerCall, timing.latency.samples]),
      [1, 2].flatMap((threads) =>
        [1, 4].flatMap((requests) => [
          ['computed', threads, requests, 8 / requests],
          ['kept', threads, requests, 8 / requests],
        ]),
      ),
    );
    assert.equal(result.adVectors?.width, 4);
    for (const { qps, adsPerSecond, tp50, tp99, latency, cores, threads } of result.results) {
      assert.equal(tp50, latency.p50 * 1000);
      assert.ok(tp99 >= tp50 && qps > 0);
      assert.equal(adsPerSecond, qps * 50);
      assert.ok(cores.length <= threads);
    }
    assert.deepEqual(addon.bench.allowedCores(), before);
    assert.match(formatServe(result), /1 user with 50 ads a request.*computed.*kept.*4 numbers an ad/s);
  });
});
