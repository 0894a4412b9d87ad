import assert from 'node:assert/strict';
import { meanEstimate, studentQuantile, studentTwoSided } from '../../src/metrics/student.js';

function near(actual: number, expected: number, tolerance = 1e-6): void {
  assert.ok(Math.abs(actual - expected) < tolerance, `${actual} instead of ${expected}`);
}

describe("Student's t", () => {
  it('has the quantiles of the tables', () => {
    for (const [freedom, quantile] of [
      [1, 12.7062047],
      [2, 4.3026527],
      [4, 2.7764451],
      [30, 2.0422725],
      [1000, 1.9623391],
    ] as const) {
      near(studentQuantile(0.05, freedom), quantile);
      near(studentTwoSided(quantile, freedom), 0.05, 1e-8);
    }
    near(studentQuantile(0.01, 4), 4.6040949);
    near(studentTwoSided(1, 1), 0.5, 1e-12);
    assert.equal(studentTwoSided(0, 4), 1);
  });

  it('estimates a mean', () => {
    const { mean, low, high, p } = meanEstimate([1, 2, 3, 4, 5]);
    assert.equal(mean, 3);
    near(low ?? 0, 3 - 2.7764451 * Math.sqrt(0.5));
    near(high ?? 0, 3 + 2.7764451 * Math.sqrt(0.5));
    near(p ?? 0, studentTwoSided(3 / Math.sqrt(0.5), 4));
    assert.deepEqual(meanEstimate([2]), { mean: 2, low: null, high: null, p: null });
    assert.equal(meanEstimate([0, 0]).p, 1);
    assert.equal(meanEstimate([1, 1]).p, 0);
  });
});
