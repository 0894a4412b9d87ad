import assert from 'node:assert/strict';
import { join } from 'node:path';
import { convertedLog, Publication, pick } from './support/recipe.js';

describe('recipe aliexpress', () => {
  const files = new Publication();
  after(() => files.remove());

  before(() => {
    for (const [part, first] of [
      ['train', 1],
      ['test', 100],
    ] as const) {
      // user_1 … user_33 and item_1 … item_49, each with its own number as value where nothing else is said.
      const users = Array.from({ length: 4 }, (_, page) => [
        first + page,
        ...Array.from({ length: 32 }, (_, k) => k + 2),
      ]);
      const items = Array.from({ length: 12 }, (_, i) => [
        first + Math.floor(i / 3),
        ...Array.from({ length: 47 }, (_, k) => (k === 0 ? i / 4 : 102 + k)),
        i % 3,
      ]);
      files.table(`nl_user_${part}.csv`, ',', users);
      files.table(`nl_item_${part}.csv`, ',', items);
    }
  });

  it('names the columns as the public loaders do', async () => {
    const [, row = {}] = await files.rows('aliexpress/config.yaml', 'train', 'search_id, numerical_24');
    const values = (kind: string, from: number, to: number) =>
      Array.from({ length: to - from + 1 }, (_, i) => Number(row[`${kind}_${from + i}`]));
    assert.deepEqual(values('categorical', 1, 16), [2, 3, 4, 5, 6, 7, 8, 32, 33, 119, 134, 135, 136, 140, 141, 142]);
    assert.deepEqual(
      values('numerical', 1, 23),
      Array.from({ length: 23 }, (_, i) => 9 + i),
    );
    const numbers = Array.from({ length: 47 }, (_, k) => 102 + k).filter(
      (n) => ![119, 134, 135, 136, 140, 141, 142].includes(n),
    );
    assert.deepEqual(values('numerical', 24, 63), [0.25, ...numbers.slice(1)]);
  });

  it('makes click and conversion of the label, joins the pages of each part, and trains', async () => {
    const rows = await files.rows('aliexpress/config.yaml', 'eval', 'search_id, numerical_24');
    assert.deepEqual(pick(rows.slice(0, 3), 'search_id', 'click', 'conversion'), [
      ['100', 0, 0],
      ['100', 1, 0],
      ['100', 1, 1],
    ]);
    assert.deepEqual((await files.train('aliexpress/config.yaml')).rows, { train: 12, eval: 12 });
  });

  it("gives the converted log's rows from the published files", async function () {
    const converted = convertedLog(this, 'tiny_fixtures');
    const whole = new Publication();
    const columns = (kind: string, from: number, to: number) =>
      Array.from({ length: to - from + 1 }, (_, i) => `${kind}_${from + i}`);
    const user = [
      'search_id',
      ...columns('categorical', 1, 7),
      ...columns('numerical', 1, 23),
      ...columns('categorical', 8, 9),
    ];
    const item = [
      'search_id',
      ...columns('numerical', 24, 40),
      'categorical_10',
      ...columns('numerical', 41, 54),
      ...columns('categorical', 11, 13),
      ...columns('numerical', 55, 57),
      ...columns('categorical', 14, 16),
      ...columns('numerical', 58, 63),
    ];
    try {
      for (const part of ['train', 'test']) {
        const from = `FROM '${join(converted, `aliexpress_${part}.parquet`)}'`;
        await whole.lines(`nl_user_${part}.csv`, ',', `SELECT DISTINCT ${user.join(', ')} ${from}`);
        await whole.lines(`nl_item_${part}.csv`, ',', `SELECT ${item.join(', ')}, click + conversion AS label ${from}`);
      }
      const common = await whole.assertSameRows(
        'aliexpress/config.yaml',
        'train',
        join(converted, 'aliexpress_train.parquet'),
      );
      assert.equal(common.length, 82);
      await whole.assertSameRows('aliexpress/config.yaml', 'eval', join(converted, 'aliexpress_test.parquet'));
    } finally {
      whole.remove();
    }
  });
});
