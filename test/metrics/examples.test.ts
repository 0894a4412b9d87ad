/** Every worked example of metrics.md, to its printed digits. */
import assert from 'node:assert/strict';
import {
  auc,
  calibration,
  expectedCalibrationError,
  gauc,
  hardRecall,
  logLoss,
  type MetricValue,
  mse,
  ndcg,
  nmse,
  normalizedEntropy,
  percentile,
  rcs,
  relevantRecall,
  rSquared,
  softRecall,
  totalValueDifference,
} from '../../src/metrics/index.js';

function close(metric: MetricValue, expected: number, tolerance = 5.1e-7): void {
  assert.ok(metric.value !== null, metric.reason);
  assert.ok(Math.abs(metric.value - expected) <= tolerance, `${metric.value} is not ${expected}`);
}

const R1 = { tv: [10, 8, 5, 3, 1], early: [0.2, 0.9, 0.5, 0.8, 0.1] };
const R2 = { tv: [4, 2, 1], early: [1, 2, 3] };
const BOTH = {
  tv: [...R1.tv, ...R2.tv],
  early: [...R1.early, ...R2.early],
  requests: [0, 0, 0, 0, 0, 1, 1, 1],
};
const zeros = (n: number) => new Uint32Array(n);

describe('metrics: worked examples', () => {
  it('nearest-rank percentiles', () => {
    const values = Float64Array.from({ length: 100 }, (_, i) => 100 - i);
    assert.deepEqual(
      [0.01, 0.5, 0.99, 1].map((q) => percentile(values, q)),
      [1, 50, 99, 100],
    );
    assert.equal(percentile(values, 0.07), 7);
    assert.equal(percentile([3, 1], 0.001), 1);
  });

  it('AUC', () => {
    close(auc([0.9, 0.8, 0.8, 0.1], [1, 0, 1, 0]), 0.875, 1e-15);
    close(auc([0.9, 0.8, 0.8, 0.1], [1, 0, 1, 0], { weights: [2, 1, 1, 3] }), 0.958333);
    close(auc([3, 3, 3], [1, 0, 1]), 0.5, 1e-15);
  });

  it('GAUC', () => {
    const scores = [0.3, 0.2, 0.5, 0.4, 0.6, 0.9, 0.8, 0.8, 0.1];
    const labels = [1, 0, 0, 1, 1, 1, 0, 1, 0];
    const value = gauc(scores, labels, [0, 0, 0, 1, 1, 2, 2, 2, 2]);
    close(value, 0.714286);
    assert.deepEqual([value.groups, value.skippedGroups], [2, 1]);
    close(auc(scores, labels), 0.725, 1e-12);
  });

  it('log loss and NE', () => {
    const y = [1, 0, 0, 0, 1];
    const p = [0.6, 0.2, 0.1, 0.3, 0.5];
    close(logLoss(p, y), 0.37783);
    close(normalizedEntropy(p, y), 0.561402);
    const weights = [1, 2, 1, 1, 1];
    close(logLoss(p, y, { weights }), 0.352049);
    close(normalizedEntropy(p, y, { weights }), 0.553089);
    close(logLoss([0.5, 0.2], [0.7, 0.1]), 0.52746);
    close(normalizedEntropy([0.5, 0.2], [0.7, 0.1]), 0.783731);
    close(logLoss([0.7, 0.1], [0.7, 0.1]), 0.467974);
    const logits = p.map((v) => Math.log(v / (1 - v)));
    close(normalizedEntropy(logits, y, { from: 'logits' }), 0.561402);
  });

  it('calibration and ECE', () => {
    close(calibration([0.6, 0.2, 0.1, 0.3, 0.5], [1, 0, 0, 0, 1]), 0.85, 1e-12);
    close(expectedCalibrationError([0.1, 0.3, 0.6, 0.8], [0, 1, 1, 1], { bins: 2 }), 0.3, 1e-12);
  });

  it('MSE, NMSE and R²', () => {
    close(mse([0.5, -1, 0.5], [1, -2, 0.5]), 0.416667);
    close(nmse([0.5, -1, 0.5], [1, -2, 0.5]), 0.241935);
    close(rSquared([0.5, -1, 0.5], [1, -2, 0.5]), 1 - 0.241935);
  });

  it('hard recall and RCS', () => {
    close(hardRecall(R1.early, R1.tv, zeros(5), 2), 0.5, 0);
    close(hardRecall(R2.early, R2.tv, zeros(3), 2), 0.5, 0);
    const pre = [2, 4, 1, 5, 3];
    const rank = [1, 5, 3, 2, 4];
    close(rcs(pre, rank, zeros(5), { m: 2, k: 2 }), 0.5, 0);
    close(rcs(pre, rank, zeros(5), { m: 3, k: 2 }), 1, 0);
  });

  it('soft recall', () => {
    close(softRecall(R1.early, R1.tv, zeros(5), 2), 0.611111);
    close(softRecall(R2.early, R2.tv, zeros(3), 2), 0.5, 1e-12);
    const both = softRecall(BOTH.early, BOTH.tv, BOTH.requests, 2);
    close(both, 0.555556);
    assert.ok(Math.abs((both.pooled ?? 0) - 0.583333) < 5e-7);
    assert.ok(Math.abs((both.sd ?? 0) - (0.6111111111 - 0.5) / 2) < 1e-9);
  });

  it('Recall@K of exposures and clicks', () => {
    // Items 4, 2, 9, 7 by score; exposed 2, 7, 9; clicked 9.
    const scores = [4, 3, 2, 1];
    const exposed = [0, 1, 1, 1];
    const clicked = [0, 0, 1, 0];
    close(relevantRecall(scores, exposed, zeros(4), 2), 1 / 3, 1e-12);
    close(relevantRecall(scores, clicked, zeros(4), 2), 0, 0);
    close(relevantRecall(scores, exposed, zeros(4), 3), 2 / 3, 1e-12);
    close(relevantRecall(scores, clicked, zeros(4), 3), 1, 0);
  });

  it('NDCG', () => {
    close(ndcg(R1.early, R1.tv, zeros(5), 3), 0.706245);
    close(ndcg([5, 4, 3, 2, 1], [3, 2, 3, 0, 1], zeros(5), 5, { gain: 'exponential' }), 0.957478);
  });

  it('TVD', () => {
    close(totalValueDifference([10, 8, -2, 4], [9, 9, -1, 2]), 0.208333);
  });
});
