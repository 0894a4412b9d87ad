/** The native metrics against the TypeScript ones, on random data with many ties. */
import assert from 'node:assert/strict';
import { auc, gauc, hardRecall, ndcg, softRecall } from '../../src/metrics/index.js';
import { loadAddon } from '../../src/runtime/load.js';
import type { NativeMetrics } from '../../src/runtime/native.js';

/** mulberry32: a small generator, so that the data are the same everywhere. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function near(a: number | null, b: number | null): void {
  assert.ok(a !== null && b !== null && Math.abs(a - b) <= 1e-12 * Math.max(1, Math.abs(b)), `${a} is not ${b}`);
}

describe('native metrics equal the TypeScript ones', () => {
  let native: NativeMetrics;
  const next = random(7);
  const rows = 3000;
  const column = (f: () => number) => Float64Array.from({ length: rows }, f);
  const scores = column(() => Math.round(next() * 200) / 10 - 8);
  const soft = column(() => Math.round(next() * 4) / 4);
  const hard = column(() => Number(next() < 0.3));
  const weights = column(() => Math.round(next() * 3));
  const final = column(() => Math.round(next() * 100) / 10 - 1);
  const groups = Uint32Array.from({ length: rows }, () => Math.floor(next() * 150) * 7919);

  before(() => {
    native = loadAddon().metrics;
  });

  it('AUC', async () => {
    near(await native.auc(scores, soft, weights), auc(scores, soft, { weights }).value);
    near(await native.auc(scores, hard, null), auc(scores, hard).value);
    assert.ok(Number.isNaN(await native.auc(scores, new Float64Array(rows), null)));
    assert.ok(Number.isNaN(await native.auc(new Float64Array(), new Float64Array(), null)));
  });

  for (const groupWeight of ['rows', 'clicks', 'one'] as const) {
    it(`GAUC by ${groupWeight}`, async () => {
      const { weightedSum, weight, groups: used } = await native.gauc(scores, hard, weights, groups, groupWeight);
      const expected = gauc(scores, hard, groups, { weights, groupWeight });
      near(weightedSum / weight, expected.value);
      assert.equal(used, expected.groups);
    });
  }

  for (const k of [1, 5, 1000]) {
    it(`recall and NDCG at ${k}`, async () => {
      const { requests, perRequest } = await native.recall(scores, final, groups, k, k);
      const hits: number[] = [];
      const shares: number[] = [];
      const gains: number[] = [];
      for (let r = 0; r < requests.length; r += 1) {
        const [, size = 0, hit = 0, numerator = 0, denominator = 0, dcg = 0, idcg = 0] = perRequest.subarray(7 * r);
        hits.push(hit / size);
        if (denominator > 0) shares.push(numerator / denominator);
        if (idcg > 0) gains.push(dcg / idcg);
      }
      const mean = (values: number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;
      near(mean(hits), hardRecall(scores, final, groups, k).value);
      const expected = softRecall(scores, final, groups, k);
      near(mean(shares), expected.value);
      assert.equal(expected.softSkipped, requests.length - shares.length);
      near(mean(gains), ndcg(scores, final, groups, k).value);
    });
  }

  it('refuses arrays of different length', () => {
    assert.throws(() => native.auc(scores, new Float64Array(3), null), {
      code: 'INVALID_ARGUMENT',
      message: /labels has 3/,
    });
    assert.throws(() => native.recall(scores, final, new Uint32Array(1), 5, 5), /groups has 1/);
    assert.throws(() => native.recall(scores, final, groups, 0, 5), /k/);
  });
});
