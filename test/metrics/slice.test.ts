/** Slices of a replay against their definition. */
import assert from 'node:assert/strict';
import { hardRecall, softRecall } from '../../src/metrics/index.js';
import type { RequestRatio } from '../../src/metrics/request-metric.js';
import { groupByRequest, markTop } from '../../src/metrics/request-top.js';
import { SLICE_METRICS, sliceMetrics } from '../../src/metrics/slice.js';
import { random } from '../support/arrays.js';

const K = 4;

function value({ numerator, denominator }: RequestRatio): number {
  const sum = (values: Float64Array): number => values.reduce((total, x) => total + x, 0);
  return sum(numerator) / sum(denominator);
}

describe('slices of a replay', () => {
  it('are the worked example', () => {
    // R1 and R2 of metrics.md at K = 2: the early stage picks rows 1, 3 and 7, 6; golden are 0, 1 and 5, 6.
    const final = Float32Array.of(10, 8, 5, 3, 1, 4, 2, 1);
    const early = Float64Array.of(0.2, 0.9, 0.5, 0.8, 0.1, 1, 2, 3);
    const requests = groupByRequest(Uint32Array.of(0, 0, 0, 0, 0, 1, 1, 1), () => true);
    const candidates = { requests, final, picked: markTop(requests, early, 2), golden: markTop(requests, final, 2) };
    assert.deepEqual([...candidates.picked], [0, 1, 0, 1, 0, 0, 1, 1]);
    assert.deepEqual([...candidates.golden], [1, 1, 0, 0, 0, 1, 1, 0]);
    const { candidates: rows, metrics } = sliceMetrics(candidates, (row) => row >= 1 && row <= 5);
    assert.equal(rows, 5);
    // Golden in the slice: row 1, found, and row 5, missed.
    assert.equal(value(metrics.recall), 0.5);
    assert.equal(value(metrics.recallPooled), 0.5);
    assert.equal(value(metrics.valueRecall), 8 / 12);
    assert.equal(value(metrics.pickedShare), 2 / 4);
    assert.equal(value(metrics.goldenShare), 2 / 4);
  });

  const next = random(17);
  const rows = 3000;
  const requests = Uint32Array.from({ length: rows }, () => 7 + Math.floor(40 * next()));
  const final = Float32Array.from({ length: rows }, () => (next() < 0.1 ? Number.NaN : Math.round(40 * next()) - 8));
  const early = Float64Array.from(final, (v) => (Number.isNaN(v) ? Number.NaN : Math.round(v + 20 * next())));
  const grouped = groupByRequest(requests, (row) => !Number.isNaN(final[row]));
  const candidates = {
    requests: grouped,
    final,
    picked: markTop(grouped, early, K),
    golden: markTop(grouped, final, K),
  };

  it('are what brute force finds, for scattered requests with ties', () => {
    const inSlice = (row: number): boolean => row % 3 === 1;
    const of = SLICE_METRICS.map(() => [0, 0] as [number, number]);
    for (const code of new Set(requests)) {
      const mine = [...requests.keys()].filter((row) => requests[row] === code && !Number.isNaN(final[row]));
      const best = (scores: ArrayLike<number>): number[] =>
        mine.toSorted((a, b) => scores[b]! - scores[a]! || a - b).slice(0, K);
      const picks = best(early);
      const gold = best(final);
      const slice = gold.filter(inSlice);
      const found = slice.filter((row) => picks.includes(row));
      const worth = (list: number[]): number => list.reduce((sum, row) => sum + final[row]!, 0);
      const parts: [number, number][] = [
        slice.length > 0 ? [found.length / slice.length, 1] : [0, 0],
        [found.length, slice.length],
        worth(slice) > 0 ? [worth(found), worth(slice)] : [0, 0],
        [picks.filter(inSlice).length, picks.length],
        [slice.length, gold.length],
      ];
      for (const [i, [a, b]] of parts.entries()) {
        of[i]![0] += a;
        of[i]![1] += b;
      }
    }
    const { metrics } = sliceMetrics(candidates, inSlice);
    for (const [i, name] of SLICE_METRICS.entries()) {
      assert.ok(Math.abs(value(metrics[name]) - of[i]![0] / of[i]![1]) < 1e-12, name);
    }
  });

  it('of all candidates are the hard recall', () => {
    const { candidates: count, metrics } = sliceMetrics(candidates, () => true);
    const options = { mask: Uint8Array.from(final, (v) => (Number.isNaN(v) ? 0 : 1)) };
    assert.equal(count, grouped.rows.length);
    assert.ok(Math.abs(value(metrics.recall) - hardRecall(early, final, requests, K, options).value!) < 1e-12);
    assert.equal(value(metrics.pickedShare), 1);
    assert.ok(softRecall(early, final, requests, K, options).pooled! > value(metrics.valueRecall));
  });

  it('refuse a score that is not finite', () => {
    assert.throws(
      () =>
        markTop(
          groupByRequest(requests, () => true),
          early,
          K,
        ),
      { code: 'METRIC_INPUT' },
    );
    assert.throws(() => markTop(grouped, early, 0), { code: 'METRIC_INPUT' });
  });
});
