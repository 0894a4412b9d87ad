/** Bootstrap intervals over requests. */
import assert from 'node:assert/strict';
import { bootstrapIntervals, type RequestRatio } from '../../src/metrics/index.js';

const REQUESTS = 400;

/** A mean over requests of a value that is spread evenly over [0, 1). */
function evenMean(): RequestRatio {
  return {
    numerator: Float64Array.from({ length: REQUESTS }, (_, i) => i / REQUESTS),
    denominator: new Float64Array(REQUESTS).fill(1),
  };
}

describe('bootstrap over requests', () => {
  it('is as wide as the standard error says', () => {
    const { mean } = bootstrapIntervals({ mean: evenMean() }, { resamples: 2000, seed: 5 });
    assert.ok(mean?.low && mean.high);
    // ±1.96 standard errors of a mean of 400 uniform values: 0.0283.
    assert.ok(Math.abs(mean.low - (0.49875 - 0.0283)) < 0.003, String(mean.low));
    assert.ok(Math.abs(mean.high - (0.49875 + 0.0283)) < 0.003, String(mean.high));
  });

  it('is a function of the seed', () => {
    const of = (seed: number) => bootstrapIntervals({ mean: evenMean() }, { resamples: 200, seed });
    assert.deepEqual(of(1), of(1));
    assert.notDeepEqual(of(1), of(2));
    assert.notDeepEqual(of(1), of(1 + 2 ** 32));
  });

  it('pairs the metrics: every one sees the same resamples', () => {
    const base = evenMean();
    const shifted = { ...base, numerator: base.numerator.map((value) => value + 0.25) };
    const { a, b } = bootstrapIntervals({ a: base, b: shifted }, { resamples: 300, seed: 3 });
    assert.ok(a?.low && b?.low && a.high && b.high);
    assert.ok(Math.abs(b.low - a.low - 0.25) < 1e-12);
    assert.ok(Math.abs(b.high - a.high - 0.25) < 1e-12);
  });

  it('leaves skipped requests out, and is null where a metric is undefined', () => {
    const skipping = {
      numerator: Float64Array.from({ length: REQUESTS }, (_, i) => i % 2),
      denominator: Float64Array.from({ length: REQUESTS }, (_, i) => i % 2),
    };
    const none = { numerator: new Float64Array(REQUESTS), denominator: new Float64Array(REQUESTS) };
    assert.deepEqual(bootstrapIntervals({ skipping, none }, { resamples: 100, seed: 1 }), {
      skipping: { low: 1, high: 1 },
      none: { low: null, high: null },
    });
  });

  it('refuses what it cannot do', () => {
    const mean = evenMean();
    assert.throws(() => bootstrapIntervals({ mean }, { resamples: 0, seed: 1 }), { code: 'METRIC_INPUT' });
    const short = { numerator: new Float64Array(1), denominator: new Float64Array(1) };
    assert.throws(() => bootstrapIntervals({ mean, short }, { resamples: 1, seed: 1 }), /same requests/);
  });
});
