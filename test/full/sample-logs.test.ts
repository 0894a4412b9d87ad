import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { committed, DATA, firstRow } from '../support/sample-logs.js';

describe('sample logs', () => {
  it('are what the generator writes, row for row', async function () {
    this.timeout(120_000);
    const folder = mkdtempSync(join(tmpdir(), 'prerank-sample-'));
    try {
      execFileSync(process.execPath, [join(DATA, 'generate-sample.mjs'), '--out', folder], { stdio: 'pipe' });
      for (const name of ['train', 'eval']) {
        const fresh = join(folder, `${name}.parquet`);
        const { different, rows } = await firstRow(
          `SELECT count(*) FILTER (a IS DISTINCT FROM b) AS different, count(*) AS rows FROM
             (SELECT row_number() OVER () AS n, t AS a FROM '${committed(name)}' t)
             FULL JOIN (SELECT row_number() OVER () AS n, t AS b FROM '${fresh}' t) USING (n)`,
        );
        assert.equal(Number(different), 0, name);
        assert.ok(Number(rows) > 10_000);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
