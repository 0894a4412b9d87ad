import assert from 'node:assert/strict';
import { join } from 'node:path';
import { convertedLog, pick, Publication } from './support/recipe.js';

/** field \x02 id \x03 value, separated by \x01. */
const features = (...list: (readonly [field: string, id: number, value: number | string])[]): string =>
  list.map(([field, id, value]) => `${field}\x02${id}\x03${value}`).join('\x01');

describe('recipe aliccp', () => {
  const files = new Publication();
  after(() => files.remove());

  before(() => {
    for (const [part, first] of [
      ['train', 0],
      ['test', 100],
    ] as const) {
      const samples = Array.from({ length: 12 }, (_, i) => {
        const list = features(
          ['205', 4200000 + (i % 4), '1.0'],
          ['206', 8316799, '1.0'],
          ['207', 8416205, '1.0'],
          ['216', 9154780, '1.0'],
          ['210', 9052218, '1.0'],
          ['210', 9064553, '1.0'],
          ['508', 9355039, '2.07944'],
          ['301', 9351665, '1.0'],
        );
        return [first + i, i % 3 === 0 ? 1 : 0, i % 6 === 0 || i === 1 ? 1 : 0, `user${i % 2}${part}`, 8, list];
      });
      files.table(`sample_skeleton_${part}.csv`, ',', samples);
      files.table(`common_features_${part}.csv`, ',', [
        [
          `user0${part}`,
          5,
          features(
            ['101', 31390, '1.0'],
            ['121', 3438658, '1.0'],
            ['109_14', 450001, '0.75'],
            ['109_14', 450002, '1.09861'],
            ['1091', 7, '1.0'],
          ),
        ],
        [`user1${part}`, 2, features(['150_14', 4000001, '1.5'], ['101', 31391, '1.0'])],
      ]);
    }
  });

  it("joins a sample with its user's features by index", async () => {
    const rows = await files.rows('aliccp/config.yaml', 'train', 'sample');
    assert.deepEqual(pick(rows.slice(0, 2), 'sample', 'click', 'conversion', '101', '121', '205', '301'), [
      ['0', 1, 1, '31390', '3438658', '4200000', '9351665'],
      ['2', 0, 0, '31390', '3438658', '4200002', '9351665'],
    ]);
    assert.deepEqual(pick(rows.slice(2, 3), '101', '121', '122'), [['31391', null, null]]);
  });

  it('reads fields of several ids as lists with weights, of none as empty lists', async () => {
    const [first = {}, , third = {}] = await files.rows('aliccp/config.yaml', 'train', 'sample');
    const lists = ['109_14', '109_14_weight', '150_14', '210', '508', '508_weight', '853', '853_weight'];
    assert.deepEqual(pick([first], ...lists), [
      [['450001', '450002'], [0.75, 1.09861], [], ['9052218', '9064553'], ['9355039'], [2.07944], [], []],
    ]);
    assert.deepEqual(pick([third], '109_14', '150_14', '150_14_weight'), [[[], ['4000001'], [1.5]]]);
  });

  it('leaves out conversions without a click, and trains both tasks', async () => {
    const { columns, rows } = await files.train('aliccp/config.yaml');
    assert.deepEqual(rows, { train: 11, eval: 11 });
    const [clicks, conversions] = [columns['role.click'], columns['role.conversion']] as [number[], number[]];
    assert.equal(
      clicks.reduce((a, b) => a + b),
      4,
    );
    assert.equal(
      conversions.reduce((a, b) => a + b),
      2,
    );
    assert.ok(conversions.every((y, i) => y <= (clicks[i] ?? 0)));
    const weights = (columns['weights.109_14'] as number[][]).map((list) => list.length);
    assert.deepEqual([...new Set(weights)].sort(), [0, 2]);
  });
});

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
