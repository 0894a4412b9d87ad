import assert from 'node:assert/strict';
import { rankingMetrics } from '../../src/experiment/ranking.js';

describe('the metrics of a score on candidate lists', () => {
  // Two requests of four candidates; the second has no click.
  const lists = {
    requests: [7, 7, 7, 7, 9, 9, 9, 9],
    shown: [1, 1, 0, 0, 1, 0, 0, 1],
    clicks: [1, 0, Number.NaN, Number.NaN, 0, Number.NaN, Number.NaN, 0],
    totalValues: [4, 3, 2, 1, 4, 1, 2, 3],
  };

  it('are worked out by hand', () => {
    const score = [0.5, 0.6, 0.9, 0.1, 0.8, 0.9, 0.2, 0.1];
    const found = rankingMetrics(score, lists, 2);
    // Among the exposed (.5 clicked; .6, .8, .1 not) one of three is below the clicked one; in its request none is.
    assert.equal(found.auc, 1 / 3);
    assert.equal(found.gauc, 0);
    assert.deepEqual([found.exposureRecall1, found.clickRecall1], [0, 0]);
    assert.deepEqual([found.exposureRecall10, found.clickRecall10], [1, 1]);
    // First two by the score: {2, 1} and {5, 4}; by value: {0, 1} and {4, 7}.
    assert.equal(found.rcs, 0.5);
  });

  it('leave out what is undefined', () => {
    const none = { ...lists, shown: lists.shown.map(() => 0) };
    const { auc, gauc, exposureRecall50, clickRecall50, rcs } = rankingMetrics(lists.totalValues, none, 2);
    assert.deepEqual([auc, gauc, exposureRecall50, clickRecall50, rcs], [null, null, null, null, 1]);
  });
});
