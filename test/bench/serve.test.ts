import assert from 'node:assert/strict';
import { predictionBatch } from '../../src/bench/array-batches.js';
import { generateColumns } from '../../src/bench/generated-data.js';
import { referenceModel } from '../../src/bench/scored-model.js';
import { benchServe } from '../../src/bench/serve.js';
import { formatServe } from '../../src/bench/serve-text.js';
import { predictionProgram } from '../../src/models/registry.js';
import { loadAddon } from '../../src/runtime/load.js';
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

  it('reports rates and latencies of every combination', async () => {
    const addon = loadAddon();
    const before = addon.bench.allowedCores();
    const options = { ads: 50, threads: [1, 2], requestsPerCall: [1, 4], requests: 8, seed: 1 };
    const result = await benchServe(addon, referenceModel(addon, smallStep(), 1), options);
    assert.deepEqual(
      result.results.map(({ threads, requestsPerCall, latency }) => [threads, requestsPerCall, latency.samples]),
      [
        [1, 1, 8],
        [1, 4, 2],
        [2, 1, 8],
        [2, 4, 2],
      ],
    );
    for (const { qps, adsPerSecond, tp50, tp99, latency, cores, threads } of result.results) {
      assert.equal(tp50, latency.p50 * 1000);
      assert.ok(tp99 >= tp50 && qps > 0);
      assert.equal(adsPerSecond, qps * 50);
      assert.ok(cores.length <= threads);
    }
    assert.deepEqual(addon.bench.allowedCores(), before);
    assert.match(formatServe(result), /1 user with 50 ads a request/);
  });
});
