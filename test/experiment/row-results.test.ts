import assert from 'node:assert/strict';
import { MEASURES } from '../../src/experiment/measures.js';
import { emptyRequestSums, type RequestSums } from '../../src/experiment/request-sums.js';
import { armSums, compareArms, measureValue } from '../../src/experiment/row-results.js';
import type { RowPlan } from '../../src/experiment/study.js';

/** Soft recall of each request; one expected click and two impressions a request, held-out losses of 1. */
function sumsOf(soft: readonly number[], clicks = soft.map(() => 1)): RequestSums {
  const sums = emptyRequestSums({ cascade: soft.length, heldOut: 2 });
  sums.cascade.soft.set(soft);
  sums.cascade.softDefined.fill(1);
  sums.cascade.clicks.set(clicks);
  sums.cascade.impressions.fill(2);
  sums.cascade.surveyed.fill(2);
  sums.heldOut.loss.fill(1);
  sums.heldOut.judged.fill(2);
  sums.heldOut.clicked.fill(1);
  return sums;
}

function plan(changes: Partial<RowPlan> = {}): RowPlan {
  return {
    table: 'table',
    row: 'row',
    measure: 'softRecall',
    control: { world: 'w', arm: 'a' },
    treatment: { world: 'w', arm: 'b' },
    paper: 0.1,
    sign: 1,
    required: true,
    ...changes,
  };
}

describe('rows of an experiment', () => {
  const low = Array.from({ length: 40 }, (_, i) => 0.4 + 0.01 * (i % 5));
  const high = low.map((value, i) => value + (i % 2 === 0 ? 0.1 : 0.06));

  it('compares sums over all seeds, and each seed alone', () => {
    const sums = armSums([
      { a: sumsOf([0.5, 0.7]), b: sumsOf([0.6, 0.9]) },
      { a: sumsOf([0.4]), b: sumsOf([0.2]) },
    ]);
    assert.ok(Math.abs((measureValue(MEASURES.softRecall, sums.a) ?? 0) - 1.6 / 3) < 1e-12);
    const row = compareArms(plan(), sums.a, sums.b);
    assert.ok(Math.abs((row.ours ?? 0) - (1.7 / 1.6 - 1)) < 1e-12);
    assert.deepEqual(
      row.seeds.map((seed) => seed?.toFixed(6)),
      ['0.250000', '-0.500000'],
    );
  });

  it('finds a steady difference significant, with its sign', () => {
    const { a, b } = armSums([{ a: sumsOf(low), b: sumsOf(high) }]);
    const up = compareArms(plan(), a, b);
    assert.equal(up.holds, true);
    assert.ok(up.p !== null && up.p <= 0.001, `${up.p}`);
    assert.ok(up.low !== null && up.high !== null && up.ours !== null && up.low < up.ours && up.ours < up.high);
    assert.equal(compareArms(plan({ sign: -1 }), a, b).holds, false);
    assert.equal(compareArms(plan(), b, a).holds, false);
    assert.equal(compareArms(plan({ sign: null }), a, b).holds, null);
  });

  it('does not take chance for a difference', () => {
    const noisy = low.map((value, i) => value + (i % 2 === 0 ? 0.1 : -0.099));
    const { a, b } = armSums([{ a: sumsOf(low), b: sumsOf(noisy) }]);
    const row = compareArms(plan(), a, b);
    assert.ok((row.ours ?? 0) > 0 && (row.p ?? 0) > 0.3, `${row.ours} ${row.p}`);
    assert.equal(row.holds, false);
  });

  it('compares an arm with itself as exactly equal', () => {
    const { a, b } = armSums([{ a: sumsOf(low), b: sumsOf(low) }]);
    const row = compareArms(plan(), a, b);
    assert.deepEqual([row.ours, row.low, row.high, row.p, row.holds], [0, 0, 0, 1, false]);
  });

  it('draws each seed its own number of requests', () => {
    // A constant in each seed: drawing across seeds would change the mean, drawing within does not.
    const { a, b } = armSums([
      { a: sumsOf([0.5, 0.5, 0.5]), b: sumsOf([0.6, 0.6, 0.6]) },
      { a: sumsOf([0.9]), b: sumsOf([0.9]) },
    ]);
    const row = compareArms(plan(), a, b);
    const expected = 2.7 / 2.4 - 1;
    for (const value of [row.ours, row.low, row.high]) assert.ok(Math.abs((value ?? 0) - expected) < 1e-12);
  });

  it('gives the survey score as a difference, not as a ratio', () => {
    const { a, b } = armSums([{ a: sumsOf([1, 1]), b: sumsOf([1, 1]) }]);
    const seeds = [{ ...b.seeds[0], survey: 1 }] as typeof b.seeds;
    assert.equal(compareArms(plan({ measure: 'asq' }), a, { ...b, seeds }).ours, 0.25);
  });

  it('has no figure where a metric is undefined', () => {
    const { a, b } = armSums([{ a: sumsOf(low), b: sumsOf(high) }]);
    const row = compareArms(plan({ measure: 'mse' }), a, b);
    assert.deepEqual([row.ours, row.low, row.p, row.holds], [null, null, null, false]);
  });
});
