/** The native metrics over datasets against the TypeScript ones, on random data with many ties. */
import assert from 'node:assert/strict';
import {
  auc,
  calibration,
  expectedCalibrationError,
  gauc,
  hardRecall,
  logLoss,
  mse,
  ndcg,
  nmse,
  softRecall,
  totalValueDifference,
} from '../../src/metrics/index.js';
import { loadAddon } from '../../src/runtime/load.js';
import { type Addon, REPLAY_FIGURES, type ReplaySpec, type TaskMetricsSpec } from '../../src/runtime/native.js';
import { arrayDataset, random } from '../support/arrays.js';

const ROWS = 3000;

function near(a: number | null, b: number | null): void {
  assert.ok(a !== null && b !== null && Math.abs(a - b) <= 1e-12 * Math.max(1, Math.abs(b)), `${a} is not ${b}`);
}

describe('native metrics equal the TypeScript ones', () => {
  let addon: Addon;
  const next = random(7);
  const column = (f: () => number) => Float32Array.from({ length: ROWS }, f);
  const p = column(() => Math.floor(next() * 200) / 256);
  const soft = column(() => Math.round(next() * 4) / 4);
  const hard = column(() => Number(next() < 0.3));
  const values = column(() => Math.round(next() * 100) / 8 - 5);
  const weights = column(() => Math.round(next() * 3));
  const final = column(() => Math.round(next() * 80) / 8 - 1);
  const scattered = Uint32Array.from({ length: ROWS }, () => Math.floor(next() * 150) * 7919);
  const together = Uint32Array.from(scattered).sort();
  const columns = { soft, hard, values, weights, final, scattered, together, p };
  const spec = (rest: Partial<TaskMetricsSpec>): TaskMetricsSpec => ({
    label: 'hard',
    prediction: { outputs: p, link: 'identity' },
    probability: true,
    ...rest,
  });
  const judge = (rest: Partial<TaskMetricsSpec>) => addon.metrics.task(arrayDataset(addon, columns, 700), spec(rest));

  before(() => {
    addon = loadAddon();
  });

  it('AUC', async () => {
    near((await judge({ label: 'soft', weight: 'weights', auc: true })).auc, auc(p, soft, { weights }).value);
    const binned = await judge({ auc: true, exactRows: 10 });
    const exact = auc(p, hard).value ?? 0;
    near((await judge({ auc: true })).auc, exact);
    // Predictions are multiples of 2^-8: each has a bin of its own, and the bound is that of ties.
    near(binned.auc, exact);
    assert.ok(binned.aucError > 0 && binned.aucError < 0.01);
  });

  it('log loss, calibration and ECE', async () => {
    // As float64, so that the clipping is that of float64.
    const exact = Float64Array.from(p);
    const sums = await judge({ label: 'soft', weight: 'weights', ece: true });
    near(sums.loss / sums.weight, logLoss(exact, soft, { weights }).value);
    near(sums.prediction / sums.target, calibration(exact, soft, { weights }).value);
    near(sums.ece, expectedCalibrationError(exact, soft, { weights }).value);
  });

  it('MSE and NMSE', async () => {
    const sums = await judge({ label: 'values', weight: 'weights', probability: false });
    near(sums.loss / sums.weight, mse(p, values, { weights }).value);
    near(sums.loss / sums.spread, nmse(p, values, { weights }).value);
  });

  for (const groupWeight of ['rows', 'clicks', 'one'] as const) {
    for (const group of ['scattered', 'together'] as const) {
      it(`GAUC by ${groupWeight}, rows of groups ${group}`, async () => {
        const { groupSum, groupWeight: mass, groups } = await judge({ weight: 'weights', group, groupWeight });
        const expected = gauc(p, hard, columns[group], { weights, groupWeight });
        near(groupSum / mass, expected.value);
        assert.equal(groups, expected.groups);
      });
    }
  }

  for (const k of [1, 5, 1000]) {
    for (const request of ['scattered', 'together'] as const) {
      it(`recall, NDCG and TVD at ${k}, rows of requests ${request}`, async () => {
        const replay: ReplaySpec = { request, final: 'final', early: 'p', k, earlyK: k, gains: true };
        const { requests, perRequest } = await addon.metrics.replay(arrayDataset(addon, columns, 700), replay);
        const width = REPLAY_FIGURES.length;
        assert.equal(perRequest.length, requests.length * width);
        const figures = Array.from(requests, (_, r) => [...perRequest.subarray(r * width, (r + 1) * width)]);
        const sum = (numbers: readonly number[]) => numbers.reduce((total, v) => total + v, 0);
        const mean = (numbers: readonly number[]) => sum(numbers) / numbers.length;
        const ratios = (a: number, b: number) =>
          figures.flatMap((f) => ((f[b] ?? 0) > 0 ? [(f[a] ?? 0) / (f[b] ?? 0)] : []));
        const groups = columns[request];
        near(mean(ratios(2, 1)), hardRecall(p, final, groups, k).value);
        const expected = softRecall(p, final, groups, k);
        near(mean(ratios(3, 4)), expected.value);
        assert.equal(expected.softSkipped, requests.length - ratios(3, 4).length);
        near(mean(ratios(5, 6)), ndcg(p, final, groups, k).value);
        near(
          sum(figures.map((f) => f[7] ?? 0)) / sum(figures.map((f) => f[8] ?? 0)),
          totalValueDifference(final, p).value,
        );
      });
    }
  }

  it('refuse what does not fit', async () => {
    const short = { outputs: new Float32Array(3), link: 'identity' } as const;
    await assert.rejects(judge({ prediction: short }), { code: 'INVALID_ARGUMENT', message: /3 predictions for 3000/ });
    await assert.rejects(judge({ label: 'nothing' }), { code: 'NOT_FOUND' });
    const dataset = arrayDataset(addon, columns);
    const replay: ReplaySpec = { request: 'together', final: 'final', early: 'p', k: 0, earlyK: 1, gains: true };
    assert.throws(() => addon.metrics.replay(dataset, replay), /ReplaySpec.k must be a positive integer/);
    await assert.rejects(
      addon.metrics.replay(dataset, { ...replay, k: 1, early: new Float32Array(1) }),
      /1 early scores/,
    );
    assert.throws(() => addon.metrics.replay({} as typeof dataset, { ...replay, k: 1 }), /expected a Dataset/);
  });
});
