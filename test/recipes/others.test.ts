import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { convertedLog, pick, Publication } from './support/recipe.js';

describe('recipe kdd12', () => {
  const files = new Publication();
  after(() => files.remove());

  it('keeps ids as text, splits by hash, and trains', async () => {
    files.table('Click_prediction_small.csv', ',', [
      'click,impression,url_hash,ad_id,advertiser_id,depth,position,query_id,keyword_id,title_id,description_id,user_id'.split(
        ',',
      ),
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

describe('recipe census', () => {
  it('gives the converted test log from the published file', async function () {
    const converted = convertedLog(this, 'census_income_100k');
    const whole = new Publication();
    try {
      await whole.lines(
        'census-income.test',
        ', ',
        `SELECT * EXCLUDE (row_id, label_income, label_never_married)
             REPLACE (coalesce(hisp_origin, 'NA') AS hisp_origin), if(label_income = 1, '50000+.', '- 50000.') AS income
         FROM '${converted}/*.parquet' ORDER BY row_id`,
      );
      const columns = await whole.assertSameRows('census/config.yaml', 'eval', `${converted}/test.parquet`);
      assert.equal(columns.length, 44);
    } finally {
      whole.remove();
    }
  });

  it('makes both labels, and trains', async () => {
    const files = new Publication();
    try {
      const person = (i: number) => [
        '73',
        'Not in universe',
        0,
        0,
        'High school graduate',
        0,
        'Not in universe',
        i % 2 === 0 ? 'Never married' : 'Widowed',
        'Not in universe or children',
        'Not in universe',
        'White',
        'All other',
        'Female',
        'Not in universe',
        'Not in universe',
        'Not in labor force',
        0,
        0,
        i,
        'Nonfiler',
        'Not in universe',
        'Not in universe',
        'Other Rel 18+ ever marr not in subfamily',
        'Other relative of householder',
        1700.09,
        '?',
        '?',
        '?',
        'Not in universe under 1 year old',
        '?',
        0,
        'Not in universe',
        'United-States',
        'United-States',
        'United-States',
        'Native- Born in the United States',
        0,
        'Not in universe',
        2,
        0,
        95,
        i % 4 === 0 ? '50000+.' : '- 50000.',
      ];
      files.table(
        'census-income.test',
        ', ',
        Array.from({ length: 40 }, (_, i) => person(i)),
      );
      const { columns, rows } = await files.train('census/config.yaml');
      const sum = (name: string) => (columns[name] as number[]).reduce((a, b) => a + b);
      assert.equal(rows.train + (rows.eval ?? 0), 40);
      assert.ok(sum('label.label_never_married') > sum('label.label_income') && sum('label.label_income') > 0);
    } finally {
      files.remove();
    }
  });
});

describe('recipe ebnerd', () => {
  const files = new Publication();
  after(() => files.remove());

  before(async () => {
    for (const part of ['train', 'validation']) {
      mkdirSync(join(files.folder, part));
      const view = (
        i: number,
      ) => `(${i}::UINTEGER, ${i === 1 ? 9778745 : 'NULL'}::INTEGER, TIMESTAMP '2023-05-21 21:06:50', 21.0::FLOAT, NULL::FLOAT,
        2::TINYINT, [9774516, 9771051, 977${i}], [9771051], 22779::UINTEGER, false, NULL::TINYINT, NULL::TINYINT, 40::TINYINT, false, ${i}::UINTEGER, 16.0::FLOAT, 27.0::FLOAT)`;
      await files.sql(`COPY (SELECT * FROM (VALUES ${[0, 1, 2, 3].map(view).join(', ')}) t(impression_id, article_id, impression_time, read_time,
        scroll_percentage, device_type, article_ids_inview, article_ids_clicked, user_id, is_sso_user, gender, postcode, age, is_subscriber,
        session_id, next_read_time, next_scroll_percentage)) TO '${join(files.folder, part, 'behaviors.parquet')}'`);
      await files.sql(`COPY (SELECT 22779::UINTEGER AS user_id, [TIMESTAMP '2023-04-27 10:17:43'] AS impression_time_fixed,
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
