import assert from 'node:assert/strict';
import { benchServeModels } from '../../src/bench/serve-models.js';
import { formatServeModels } from '../../src/bench/serve-models-text.js';
import { SERVED_MODELS, servedFeatures, servedProgram } from '../../src/bench/served-models.js';
import { loadAddon } from '../../src/runtime/load.js';

describe('bench: serve models', () => {
  it('gives every model the fields that it may use', () => {
    const features = servedFeatures();
    for (const served of SERVED_MODELS) {
      const { ids, plan } = servedProgram(served, features);
      const count = served.name === 'vector-product' ? 12 : served.name.includes('half') ? 11 : 22;
      assert.equal(ids.length, count, served.name);
      const ofUser = ids.filter(({ column }) => column.startsWith('feature.user'));
      assert.ok(ofUser.every(({ domain }) => domain === 'request'));
      assert.deepEqual(
        plan.outputs.map(({ name }) => name),
        Object.keys(served.tasks),
      );
    }
  });

  it("compares each with the first beside the paper's ratios", async () => {
    const addon = loadAddon();
    const before = addon.bench.allowedCores();
    const result = await benchServeModels(addon, { ads: 20, requests: 6, rounds: 3, seed: 1 });
    assert.deepEqual(addon.bench.allowedCores(), before);
    const [first, ...others] = result.models;
    assert.ok(first?.ratios === null && first.paperRatios === null);
    for (const { qps, tp99, cpu, latency, ratios, paper, paperRatios } of others) {
      assert.ok(qps > 0 && tp99 > 0 && cpu > 0 && ratios !== null && ratios.qps > 0);
      assert.equal(latency.samples, 6);
      assert.equal(paperRatios?.qps, paper.qps / first.paper.qps);
      assert.equal(paperRatios?.cpu === null, paper.cpu === null);
    }
    const lines = formatServeModels(result).split('\n');
    assert.equal(lines.filter((line) => line.startsWith('| ')).length, 1 + SERVED_MODELS.length);
    assert.ok(lines.some((line) => line.startsWith('| cold | ') && line.includes('| 0.17 |')));
  });
});
