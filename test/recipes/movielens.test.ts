import assert from 'node:assert/strict';
import { join } from 'node:path';
import { convertedLog, Publication, pick } from './support/recipe.js';

describe('recipe movielens-100k', () => {
  const files = new Publication();
  after(() => files.remove());
  const genres = (...set: number[]) => Array.from({ length: 19 }, (_, i) => (set.includes(i) ? 1 : 0));

  before(() => {
    const ratings = Array.from({ length: 40 }, (_, i) => [1 + (i % 2), 1 + (i % 3), 1 + (i % 5), 874965758 + i * 60]);
    files.table('u.data', '\t', ratings.reverse());
    files.table('u.user', '|', [
      [1, 24, 'M', 'technician', '85711'],
      [2, 53, 'F', 'other', 'T8H1N'],
    ]);
    const items = [
      [
        1,
        'Toy Story (1995)',
        '01-Jan-1995',
        '',
        'http://us.imdb.com/M/title-exact?Toy%20Story%20(1995)',
        ...genres(3, 4, 5),
      ],
      [2, 'Misérables, Les (1995)', '01-Jan-1995', '', 'http://us.imdb.com/', ...genres(8, 13)],
      [3, '"unknown"', '', '', '', ...genres(0)],
    ];
    files.write('u.item', Buffer.from(items.map((item) => `${item.join('|')}\n`).join(''), 'latin1'));
  });

  it('reads Latin-1 titles, years and genres, and counts ratings of 4 or more as clicks', async () => {
    const rows = await files.rows('movielens-100k/config.yaml', 'train', 'row_id');
    const expected = {
      2: ['Misérables, Les (1995)', 1995, ['Drama', 'Mystery']],
      1: ['Toy Story (1995)', 1995, ['Animation', "Children's", 'Comedy']],
      3: ['"unknown"', null, ['unknown']],
    };
    for (const row of rows) {
      assert.deepEqual(pick([row], 'title', 'release_year', 'genres'), [expected[row.item_id as 1 | 2 | 3]]);
      assert.equal(row.click, Number(row.rating) >= 4 ? 1 : 0);
      assert.deepEqual([row.age, row.zip_code], row.user_id === 1 ? [24, '85711'] : [53, 'T8H1N']);
    }
  });

  it('numbers the ratings in order of time and splits by hash', async () => {
    const parts = await Promise.all(
      (['train', 'eval'] as const).map((p) => files.rows('movielens-100k/config.yaml', p, 'row_id')),
    );
    const all = parts.flat().sort((a, b) => Number(a.row_id) - Number(b.row_id));
    assert.deepEqual(
      all.map((row) => Number(row.ts)),
      Array.from({ length: 40 }, (_, i) => 874965758 + i * 60),
    );
    assert.deepEqual(
      parts.map((part) => part.length),
      [30, 10],
    );
  });

  for (const config of ['config', 'two-tower']) {
    it(`trains ${config}.yaml`, async () => {
      assert.deepEqual((await files.train(`movielens-100k/${config}.yaml`)).rows, { train: 30, eval: 10 });
    });
  }

  it("gives the converted log's rows and split from the published files", async function () {
    const converted = convertedLog(this, 'movielens_100k');
    const whole = new Publication();
    try {
      await publishMovielens(whole, converted);
      const columns = await whole.assertSameRows('movielens-100k/config.yaml', 'train', `${converted}/train.parquet`);
      assert.equal(columns.length, 12);
      await whole.assertSameRows('movielens-100k/config.yaml', 'eval', `${converted}/test.parquet`);
    } finally {
      whole.remove();
    }
  });
});

/** Writes converted ratings back as u.data, u.user and u.item. */
async function publishMovielens(files: Publication, converted: string): Promise<void> {
  const all = `'${converted}/*.parquet'`;
  await files.lines('u.data', '\t', `SELECT user_id, item_id, rating, ts FROM ${all} ORDER BY md5('' || row_id)`);
  await files.lines('u.user', '|', `SELECT DISTINCT user_id, age, gender, occupation, zip_code FROM ${all}`);
  const genres = await files.sql(
    `SELECT DISTINCT unnest(genres) AS name FROM ${all} ORDER BY name = 'unknown' DESC, name`,
  );
  assert.equal(genres.length, 19);
  const flags = genres.map(({ name }) => `list_contains(genres, '${String(name).replaceAll("'", "''")}')::INT`);
  const items = await files.sql(`SELECT DISTINCT concat_ws('|', item_id,
    movie_title || coalesce(' (' || release_year || ')', ' (V)'), '', '', '', ${flags.join(', ')}) AS line FROM ${all}`);
  files.write(
    'u.item',
    Buffer.from(
      pick(items, 'line')
        .map((line) => `${line}\n`)
        .join(''),
      'latin1',
    ),
  );
}

describe('recipe movielens-1m', () => {
  const files = new Publication();
  after(() => files.remove());

  before(() => {
    const ratings = [1, 2].flatMap((user) =>
      Array.from({ length: 12 }, (_, i) => [user, 1 + (i % 3), 1 + (i % 5), 978300760 + user + i * 100]),
    );
    files.table('ratings.dat', '::', ratings);
    files.table('users.dat', '::', [
      [1, 'F', 1, 10, '48067'],
      [2, 'M', 56, 16, '55117-2310'],
    ]);
    const movies = [
      "1::Toy Story (1995)::Animation|Children's|Comedy",
      '2::Léon: The Professional (1994)::Thriller',
      '3::Heat (1995)::Crime',
    ];
    files.write('movies.dat', Buffer.from(movies.map((line) => `${line}\n`).join(''), 'latin1'));
  });

  it('reads fields separated by :: and genres by |', async () => {
    const rows = await files.rows('movielens-1m/config.yaml', 'train', 'user_id, timestamp');
    assert.deepEqual(pick(rows.slice(3, 5), 'user_id', 'title', 'genres', 'rating', 'liked', 'zip', 'age'), [
      [1, 'Toy Story (1995)', ['Animation', "Children's", 'Comedy'], 4, 1, '48067', 1],
      [1, 'Léon: The Professional (1994)', ['Thriller'], 5, 1, '48067', 1],
    ]);
  });

  it("keeps each user's last ratings for the test log, and trains", async () => {
    const rows = await files.rows('movielens-1m/config.yaml', 'eval', 'user_id, timestamp');
    assert.deepEqual(
      pick(rows, 'user_id', 'timestamp'),
      [1, 2].flatMap((user) => [10, 11].map((i) => [user, String(978300760 + user + i * 100)])),
    );
    assert.deepEqual((await files.train('movielens-1m/config.yaml')).rows, { train: 20, eval: 4 });
  });

  it("gives the converted log's rows from the published files", async function () {
    const converted = join(convertedLog(this, 'tiny_fixtures'), 'deepctr_movielens_200.parquet');
    const whole = new Publication();
    try {
      const from = `FROM '${converted}'`;
      await whole.lines('ratings.dat', '::', `SELECT user_id, movie_id, rating, timestamp ${from}`);
      await whole.lines('users.dat', '::', `SELECT DISTINCT user_id, gender, age, occupation, zip ${from}`);
      await whole.lines('movies.dat', '::', `SELECT DISTINCT movie_id, title, genres ${from}`);
      const parts = await Promise.all(
        (['train', 'eval'] as const).map((part) => whole.rows('movielens-1m/config.yaml', part, 'movie_id')),
      );
      const names = [
        'user_id',
        'movie_id',
        'rating',
        'timestamp',
        'title',
        'genres',
        'gender',
        'age',
        'occupation',
        'zip',
      ];
      const text = (rows: unknown[][]) => rows.map((row) => row.flat().join('|')).sort();
      assert.deepEqual(text(pick(parts.flat(), ...names)), text(pick(await whole.sql(`SELECT * ${from}`), ...names)));
    } finally {
      whole.remove();
    }
  });
});
