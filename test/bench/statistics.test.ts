import assert from 'node:assert/strict';
import { quantile, roundRatio, summarize } from '../../src/bench/statistics.js';

describe('bench: statistics', () => {
  it('interpolates quantiles', () => {
    assert.equal(quantile([1, 2, 3, 4], 0.5), 2.5);
    assert.equal(quantile([1, 2, 3, 4, 5], 0.9), 4.6);
    assert.equal(quantile([7], 0.99), 7);
  });

  it('bounds the median by order statistics', () => {
    // n = 100: 50 ± 1.96 · 5 → the 40th and the 60th of the ascending values 0 … 99.
    const summary = summarize(Array.from({ length: 100 }, (_, i) => 99 - i));
    assert.deepEqual(
      { samples: summary.samples, best: summary.best, p50: summary.p50, low: summary.low, high: summary.high },
      { samples: 100, best: 0, p50: 49.5, low: 40, high: 60 },
    );
  });

  it('does not claim more than few samples can show', () => {
    const { low, high, p50 } = summarize([3, 1, 2]);
    assert.deepEqual([low, p50, high], [1, 2, 3]);
  });

  it('takes ratios within rounds', () => {
    assert.deepEqual(roundRatio([2, 9, 8], [1, 3, 1]), { ratio: 3, ratioLow: 2, ratioHigh: 8 });
  });
});
