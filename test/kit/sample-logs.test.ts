import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { committed, firstRow } from '../support/sample-logs.js';

describe('sample logs', () => {
  it('take at most 3 MB', () => {
    assert.ok(statSync(committed('train')).size + statSync(committed('eval')).size <= 3e6);
  });

  it('have complete replay requests, quality-only traffic and labels only where an ad was shown', async () => {
    const replay = await firstRow(
      `SELECT min(n) AS least, max(n) AS most FROM (SELECT count(*) AS n FROM '${committed('eval')}' GROUP BY request_id)`,
    );
    assert.deepEqual([Number(replay.least), Number(replay.most)], [60, 60]);
    const log = await firstRow(
      `SELECT count(*) FILTER ((click IS NULL) <> (shown = 0)) AS misplaced,
              count(*) FILTER ((ectr IS NULL) <> (ctr_traffic = 0)) AS unscored,
              count(*) FILTER (ctr_traffic = 0) AS quality_only, count(*) FILTER (shown = 0) AS augmented
       FROM '${committed('train')}'`,
    );
    assert.equal(Number(log.misplaced), 0);
    assert.equal(Number(log.unscored), 0);
    assert.ok(Number(log.quality_only) > 1000);
    assert.ok(Number(log.augmented) > 1000);
  });
});
