import assert from 'node:assert/strict';
import { join } from 'node:path';
import { convertedLog, Publication, pick } from './support/recipe.js';

const hex = (n: number): string => (0x10000000 + n).toString(16);

describe('recipe criteo-kaggle', () => {
  const files = new Publication();
  after(() => files.remove());

  before(() => {
    const counts = (i: number) =>
      Array.from({ length: 13 }, (_, k) => (k === 1 ? i - 3 : (i + k) % 5 === 0 ? '' : i + k));
    const categories = (i: number) =>
      Array.from({ length: 26 }, (_, k) => ((i + k) % 7 === 0 ? '' : hex((i % 4) * 100 + k)));
    const rows = Array.from({ length: 28 }, (_, i) => [i % 3 === 0 ? 1 : 0, ...counts(i), ...categories(i)]);
    files.table('train.txt', '\t', rows);
  });

  it('reads counts, negative ones and missing ones too, and hexadecimal categories', async () => {
    const rows = await files.rows('criteo-kaggle/config.yaml', 'train', 'row');
    assert.deepEqual(pick(rows.slice(0, 2), 'label', 'I1', 'I2', 'I3', 'C1', 'C2', 'C26'), [
      [1, null, -3, 2, null, hex(1), hex(25)],
      [0, 1, -2, 3, hex(100), hex(101), hex(125)],
    ]);
  });

  it('keeps the last seventh of the rows for the test log', async () => {
    const rows = async (part: 'train' | 'eval') =>
      (await files.rows('criteo-kaggle/config.yaml', part, 'row')).map((row) => row.row);
    assert.deepEqual(
      await rows('train'),
      Array.from({ length: 24 }, (_, i) => String(i + 1)),
    );
    assert.deepEqual(await rows('eval'), ['25', '26', '27', '28']);
  });

  it('numbers the lines of a file that several threads read', async () => {
    const large = new Publication();
    try {
      const rest = [...Array.from({ length: 12 }, (_, k) => k), ...Array.from({ length: 26 }, (_, k) => hex(k))].join(
        '\t',
      );
      large.write('train.txt', Array.from({ length: 100_000 }, (_, i) => `0\t${i}\t${rest}\n`).join(''));
      for (const part of ['train', 'eval'] as const) {
        const [figures] = await large.figures(
          'criteo-kaggle/config.yaml',
          part,
          'min(row - I1)::INT AS least, max(row - I1)::INT AS most',
        );
        assert.deepEqual(figures, { least: 1, most: 1 });
      }
    } finally {
      large.remove();
    }
  });

  it('trains', async () => {
    const { columns, rows } = await files.train('criteo-kaggle/config.yaml');
    assert.deepEqual(rows, { train: 24, eval: 4 });
    assert.equal((columns['role.click'] as number[]).filter((click) => click === 1).length, 8);
  });

  it("gives the converted log's rows from the published file", async function () {
    const converted = join(convertedLog(this, 'tiny_fixtures'), 'deepctr_criteo_200.parquet');
    const whole = new Publication();
    try {
      const numbers = await whole.sql(`COPY (SELECT label, COLUMNS('^I')::INTEGER, COLUMNS('^C') FROM '${converted}')
        TO '${join(whole.folder, 'train.txt')}' (FORMAT csv, HEADER false, DELIMITER '\t')`);
      assert.equal(numbers.length, 1);
      const parts = await Promise.all(
        (['train', 'eval'] as const).map((part) => whole.rows('criteo-kaggle/config.yaml', part, 'row')),
      );
      const theirs = await whole.sql(
        `SELECT label::TINYINT AS label, COLUMNS('^I')::INTEGER, COLUMNS('^C') FROM '${converted}'`,
      );
      const names = Object.keys(theirs[0] ?? {});
      assert.equal(names.length, 40);
      assert.deepEqual(pick(parts.flat(), ...names), pick(theirs, ...names));
    } finally {
      whole.remove();
    }
  });
});
