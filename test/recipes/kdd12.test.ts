import assert from 'node:assert/strict';
import { join } from 'node:path';
import { convertedLog, Publication, pick } from './support/recipe.js';

const HEADER =
  'click,impression,url_hash,ad_id,advertiser_id,depth,position,query_id,keyword_id,title_id,description_id,user_id';

describe('recipe kdd12', () => {
  const files = new Publication();
  after(() => files.remove());

  it('keeps ids as text, splits by hash, and trains', async () => {
    files.table('Click_prediction_small.csv', ',', [
      HEADER.split(','),
      ...Array.from({ length: 40 }, (_, i) => [
        i % 5 === 0 ? 1 : 0,
        1,
        10710025208886284288n,
        8343295 + (i % 4),
        11700,
        3,
        1 + (i % 3),
        7702266,
        21264,
        27892,
        1559,
        i % 7,
      ]),
    ]);
    const [row = {}] = await files.rows('kdd12/config.yaml', 'train', 'row_id');
    assert.deepEqual(pick([row], 'url_hash', 'ad_id', 'depth', 'user_id'), [
      ['10710025208886284288', '8343295', 3, '0'],
    ]);
    assert.deepEqual((await files.train('kdd12/config.yaml')).rows, { train: 36, eval: 4 });
  });

  it("gives the converted log's split from the published file", async function () {
    const converted = convertedLog(this, 'kdd12_soso_40k');
    const whole = new Publication();
    try {
      await whole.sql(`COPY (SELECT * EXCLUDE (row_id) FROM '${converted}/*.parquet' ORDER BY row_id)
        TO '${join(whole.folder, 'Click_prediction_small.csv')}' (HEADER)`);
      const columns = await whole.assertSameRows('kdd12/config.yaml', 'train', `${converted}/train.parquet`);
      assert.equal(columns.length, 13);
      await whole.assertSameRows('kdd12/config.yaml', 'eval', `${converted}/test.parquet`);
    } finally {
      whole.remove();
    }
  });
});
