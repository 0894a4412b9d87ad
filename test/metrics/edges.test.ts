/** Undefined values, bad inputs, ties and what merging must not change. */
import assert from 'node:assert/strict';
import {
  auc,
  calibration,
  expectedCalibrationError,
  exposureRates,
  gauc,
  hardRecall,
  improvement,
  logLoss,
  METRICS,
  MetricInputError,
  mse,
  ndcg,
  nmse,
  normalizedEntropy,
  percentile,
  relativeChange,
  relevantRecall,
  softRecall,
  TaskWindow,
  totalValueDifference,
} from '../../src/metrics/index.js';
import { TASK_STATS } from '../../src/runtime/native.js';

const undefinedOnes: [string, () => { value: number | null; reason?: string }][] = [
  ['AUC of one class', () => auc([1, 2], [1, 1])],
  ['GAUC without a mixed group', () => gauc([1, 2], [1, 0], [0, 1])],
  ['log loss of nothing', () => logLoss([], [])],
  ['NE of only positives', () => normalizedEntropy([0.5], [1])],
  ['NE against a base rate of 0', () => normalizedEntropy([0.5, 0.5], [1, 0], { baseRate: 0 })],
  ['calibration without positives', () => calibration([0.5], [0])],
  ['ECE of nothing', () => expectedCalibrationError([], [])],
  ['MSE of nothing', () => mse([], [])],
  ['NMSE of equal labels', () => nmse([1, 2], [3, 3])],
  ['hard recall without requests', () => hardRecall([], [], [], 2)],
  ['soft recall of negative values', () => softRecall([1, 2], [-1, -2], [0, 0], 1)],
  ['recall without relevant rows', () => relevantRecall([1, 2], [0, 0], [0, 0], 1)],
  ['NDCG without gain', () => ndcg([1, 2], [0, -1], [0, 0], 2)],
  ['TVD of zeros', () => totalValueDifference([0, 0], [1, 1])],
  ['a change from 0', () => relativeChange(1, 0)],
];

describe('metrics: edges', () => {
  for (const [name, metric] of undefinedOnes) {
    it(`${name} is undefined with a reason`, () => {
      const { value, reason } = metric();
      assert.equal(value, null);
      assert.ok(reason && reason.length > 0);
    });
  }

  it('percentiles want values and a share above 0', () => {
    assert.throws(() => percentile([], 0.5), /no values/);
    assert.throws(() => percentile([1, Number.NaN, 2], 0.5), /NaN/);
    assert.throws(() => percentile([1], 0), /q must be in/);
    assert.throws(() => percentile([1], 1.01), /q must be in/);
  });

  it('NaN and infinity name metric and row', () => {
    const bad = (run: () => unknown, row: number) =>
      assert.throws(run, (error) => {
        assert.ok(error instanceof MetricInputError);
        assert.equal(error.code, 'METRIC_INPUT');
        assert.equal(error.where.row, row);
        return true;
      });
    bad(() => auc([1, Number.NaN], [1, 0]), 1);
    bad(() => logLoss([0.5, 0.5], [1, Number.POSITIVE_INFINITY]), 1);
    bad(() => mse([1, 2], [1, 2], { weights: [Number.NaN, 1] }), 0);
    bad(() => logLoss([1.5, 0.5], [1, 0]), 0);
    bad(() => auc([1, 2], [1, 2]), 1);
    bad(() => mse([1, 2], [1, 2], { weights: [1, -1] }), 1);
    assert.throws(() => mse([1], [1, 2]), /labels has 2 rows, predictions has 1/);
    assert.throws(() => hardRecall([1], [1], [0], 0), /K must be a positive integer/);
  });

  it('masked rows are not inspected, skipped rows are counted', () => {
    const masked = auc([9, 2, 1], [Number.NaN, 1, 0], { mask: [0, 1, 1] });
    assert.deepEqual(masked, { value: 1 });
    const skipped = auc([9, 2, 1], [Number.NaN, 1, 0], { nan: 'skip' });
    assert.deepEqual(skipped, { value: 1, skippedRows: 1 });
  });

  it('soft labels split their mass; a row against itself counts one half', () => {
    assert.equal(auc([1], [0.5]).value, 0.5);
    // Positive mass .75 + .25, negative .25 + .75: (.75·.75 + ½(.75·.25 + .25·.75)) / 1
    assert.equal(auc([2, 1], [0.75, 0.25]).value, 0.75);
  });

  it('GAUC weighs groups by rows, clicks or 1', () => {
    const scores = [2, 1, 1, 2, 3, 4];
    const labels = [1, 0, 1, 1, 0, 1];
    const groups = [0, 0, 1, 1, 1, 1]; // AUC 1 and 1/3
    const by = (groupWeight: 'rows' | 'clicks' | 'one') => gauc(scores, labels, groups, { groupWeight }).value ?? -1;
    assert.ok(Math.abs(by('rows') - (2 + 4 / 3) / 6) < 1e-12);
    assert.ok(Math.abs(by('clicks') - (1 + 3 / 3) / 4) < 1e-12);
    assert.ok(Math.abs(by('one') - (1 + 1 / 3) / 2) < 1e-12);
  });

  it('ECE keeps ties in one bin', () => {
    assert.ok(
      Math.abs((expectedCalibrationError([0.5, 0.5, 0.5, 0.5], [0, 1, 0, 1], { bins: 4 }).value ?? 1) - 0) < 1e-12,
    );
  });

  it('K beyond the request is its size', () => {
    assert.equal(hardRecall([1, 2], [2, 1], [0, 0], 10).value, 1);
    assert.equal(softRecall([1, 2], [2, 1], [0, 0], 10).value, 1);
  });

  it('ties go by row, or to the expectation', () => {
    assert.equal(hardRecall([1, 1], [0, 5], [0, 0], 1).value, 0);
    assert.equal(hardRecall([1, 1], [5, 0], [0, 0], 1).value, 1);
    assert.equal(hardRecall([1, 1], [0, 5], [0, 0], 1, { ties: 'expected' }).value, 0.5);
    assert.equal(softRecall([1, 1, 1], [6, 3, 0], [0, 0, 0], 1, { ties: 'expected' }).value, 0.5);
  });

  it('negative total values may be floored, and pass the quotient unclipped otherwise', () => {
    const early = [1, 3, 2];
    const tv = [4, -2, 1];
    assert.equal(softRecall(early, tv, [0, 0, 0], 1).value, -0.5);
    assert.equal(softRecall(early, tv, [0, 0, 0], 1, { tvFloor: 0 }).value, 0);
    const two = softRecall([...early, 1], [...tv, -1], [0, 0, 0, 1], 1);
    assert.deepEqual([two.requests, two.softSkipped], [1, 1]);
  });

  it('rates need impressions', () => {
    const sums = { impressions: 10, clicks: 2, conversions: 1, xouts: 3, surveyScore: 5, totalValue: 20 };
    const rates = exposureRates(sums);
    assert.deepEqual(
      [rates.ctr.value, rates.cvr.value, rates.xout.value, rates.asq.value, rates.totalValuePerImpression.value],
      [0.2, 0.1, 0.3, 0.5, 2],
    );
    assert.equal(exposureRates(sums, { conversionsPer: 'clicks' }).cvr.value, 0.5);
    assert.equal(exposureRates({ ...sums, impressions: 0 }).ctr.value, null);
    assert.ok(Math.abs((relativeChange(1.1, 1).value ?? 0) - 0.1) < 1e-12);
  });

  it('windows of shards merge into the window of the whole', () => {
    const p = Array.from({ length: 40 }, (_, i) => (i + 1) / 50);
    const y = p.map((_, i) => Number(i % 3 === 0));
    const width = TASK_STATS.length;
    // One step a row, two tasks; ours is task 1.
    const stats = new Float64Array(40 * 2 * width).fill(Number.NaN);
    for (const [i, pi] of p.entries()) {
      const yi = y[i] ?? 0;
      const loss = -yi * Math.log(pi) - (1 - yi) * Math.log(1 - pi);
      stats.set([loss, 1, 1, pi, yi, yi * yi, 0, -1], (2 * i + 1) * width);
    }
    const whole = new TaskWindow();
    whole.add(stats, 2, 1);
    const first = new TaskWindow();
    const second = new TaskWindow();
    first.add(stats.subarray(0, 30 * width), 2, 1);
    second.add(stats.subarray(30 * width), 2, 1);
    const merged = first.merge(new TaskWindow(second.state()));
    const near = (a: number | null, b: number | null) =>
      assert.ok(a !== null && b !== null && Math.abs(a / b - 1) < 1e-12);
    near(merged.ne().value, whole.ne().value);
    near(whole.ne().value, normalizedEntropy(p, y).value);
    near(whole.calibration().value, calibration(p, y).value);
    near(whole.loss().value, logLoss(p, y).value);
    whole.reset();
    assert.equal(whole.ne().value, null);
    assert.throws(() => whole.add(stats, 3, 3), /task 3 of 3/);
  });

  it('every metric says which way is better', () => {
    assert.equal(new Set(METRICS.map(({ name }) => name)).size, METRICS.length);
    assert.equal(improvement('lower', 1, 2), 1);
    assert.equal(improvement('higher', 1, 2), -1);
    assert.ok(improvement('target', 0.9, 1.2) > 0 && improvement('target', 0.7, 1.2) < 0);
    assert.equal(improvement('lower', 2, 2), 0);
  });
});
