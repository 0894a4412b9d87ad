import assert from 'node:assert/strict';
import { join } from 'node:path';
import { inspectFile } from '../../src/data/inspect.js';
import { prerankError, temporaryFolder, writeLog } from './support/logs.js';

describe('inspectFile', function () {
  this.timeout(30_000);
  const folder = temporaryFolder();
  after(folder.remove);

  it('gives schema, nulls, distinct values, extremes, means and list lengths', async () => {
    const path = await writeLog(
      join(folder.path, 'log.parquet'),
      `SELECT i AS id, CASE WHEN i % 4 = 0 THEN NULL ELSE i / 2 END AS x, 'v' || (i % 3) AS s,
        [j for j in range(i % 10)] AS l, (i = 0) AS b FROM range(100) t(i)`,
    );
    const { rows, columns } = await inspectFile(path);
    assert.equal(rows, 100);
    const [id, x, s, l, b] = columns;
    assert.deepEqual([id?.name, id?.type, id?.min, id?.max, id?.mean], ['id', 'BIGINT', '0', '99', 49.5]);
    assert.deepEqual([x?.nulls, x?.min, x?.max], [25, '0.5', '49.5']);
    assert.deepEqual([s?.type, s?.distinct, s?.min, s?.max, s?.mean], ['VARCHAR', 3, 'v0', 'v2', null]);
    assert.deepEqual([l?.type, l?.distinct, l?.lengthP50, l?.lengthP99, l?.min], ['BIGINT[]', 9, 4, 9, null]);
    assert.deepEqual([b?.type, b?.mean], ['BOOLEAN', 0.01]);
  });

  it('refuses what is no log', async () => {
    await assert.rejects(inspectFile(join(folder.path, 'absent.csv')), prerankError('DATA_NOT_FOUND', /no such file/));
  });
});
