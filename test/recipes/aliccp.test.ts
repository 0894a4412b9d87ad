import assert from 'node:assert/strict';
import { Publication, pick } from './support/recipe.js';

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
