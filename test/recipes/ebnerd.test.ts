import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Publication, pick } from './support/recipe.js';

describe('recipe ebnerd', () => {
  const files = new Publication();
  after(() => files.remove());

  before(async () => {
    for (const part of ['train', 'validation']) {
      mkdirSync(join(files.folder, part));
      await files.sql(`COPY (
        SELECT i::UINTEGER AS impression_id, CASE WHEN i = 1 THEN 9778745 END::INTEGER AS article_id,
          TIMESTAMP '2023-05-21 21:06:50' AS impression_time, 21.0::FLOAT AS read_time,
          NULL::FLOAT AS scroll_percentage,
          2::TINYINT AS device_type, [9774516, 9771051, 9770 + i]::INTEGER[] AS article_ids_inview,
          [9771051]::INTEGER[] AS article_ids_clicked, 22779::UINTEGER AS user_id, false AS is_sso_user,
          NULL::TINYINT AS gender, NULL::TINYINT AS postcode, 40::TINYINT AS age, false AS is_subscriber,
          i::UINTEGER AS session_id, 16.0::FLOAT AS next_read_time, 27.0::FLOAT AS next_scroll_percentage
        FROM range(4) t(i)) TO '${join(files.folder, part, 'behaviors.parquet')}'`);
      await files.sql(`COPY (
        SELECT 22779::UINTEGER AS user_id, [TIMESTAMP '2023-04-27 10:17:43'] AS impression_time_fixed,
        [100.0::FLOAT] AS scroll_percentage_fixed, [9774516, 977] AS article_id_fixed, [12.0::FLOAT] AS read_time_fixed)
        TO '${join(files.folder, part, 'history.parquet')}'`);
    }
  });

  it('gives a row for each article in view, with the history of its user', async () => {
    const rows = await files.rows('ebnerd/config.yaml', 'train', 'request_id, inview_index');
    assert.equal(rows.length, 12);
    const names = ['request_id', 'article_id', 'inview_index', 'click', 'page_article_id', 'history'];
    assert.deepEqual(pick(rows.slice(3, 5), ...names), [
      [1, 9774516, '1', 0, 9778745, [9774516, 977]],
      [1, 9771051, '2', 1, 9778745, [9774516, 977]],
    ]);
    assert.deepEqual(pick(rows.slice(3, 5), 'log_read_time'), [[null], [Math.log(17)]]);
  });

  it('trains click and reading time', async () => {
    assert.deepEqual((await files.train('ebnerd/config.yaml')).rows, { train: 12, eval: 12 });
  });
});
