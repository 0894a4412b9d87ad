import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { Publication, pick } from './support/recipe.js';

describe('recipe criteo-attribution', () => {
  const files = new Publication();
  after(() => files.remove());
  const header =
    'timestamp uid campaign conversion conversion_timestamp conversion_id attribution click click_pos click_nb cost ' +
    'cpo time_since_last_click cat1 cat2 cat3 cat4 cat5 cat6 cat7 cat8 cat9';

  before(() => {
    const rows = Array.from({ length: 30 }, (_, day) => {
      const converted = day % 5 === 0 ? [1, day * 86400 + 777, 3063962 + day, 0] : [0, -1, -1, 0];
      const click = day % 2 === 0 ? [1, 0, 7] : [0, -1, -1];
      const categories = Array.from({ length: 9 }, (_, k) => 29196072 + ((day + k) % 3));
      const since = day % 3 === 0 ? -1 : 423858;
      return [
        day * 86400 + 5,
        20073966 + (day % 4),
        22589171,
        ...converted,
        ...click,
        0.00001,
        0.39,
        since,
        ...categories,
      ];
    });
    const text = [header.split(' '), ...rows].map((row) => row.join('\t')).join('\n');
    files.write('criteo_attribution_dataset.tsv.gz', gzipSync(`${text}\n`));
  });

  it('reads clicks, conversions and the time since the last click, where there was one', async () => {
    const rows = await files.rows('criteo-attribution/config.yaml', 'train', 'time');
    assert.deepEqual(
      pick(rows.slice(0, 3), 'uid', 'click', 'conversion', 'time_since_last_click', 'day', 'cat1', 'cat9'),
      [
        ['20073966', 1, 1, null, '0', '29196072', '29196074'],
        ['20073967', 0, 0, '423858', '1', '29196073', '29196072'],
        ['20073968', 1, 0, '423858', '2', '29196074', '29196073'],
      ],
    );
  });

  it('leaves out what is known only afterwards', async () => {
    const [row = {}] = await files.rows('criteo-attribution/config.yaml', 'train', 'time');
    for (const name of ['attribution', 'click_pos', 'click_nb', 'conversion_id', 'cost'])
      assert.ok(!(name in row), name);
  });

  it('splits by time and trains both tasks', async () => {
    const { columns, rows } = await files.train('criteo-attribution/config.yaml');
    assert.deepEqual(rows, { train: 26, eval: 4 });
    assert.equal((columns['role.conversion'] as number[]).filter((y) => y === 1).length, 6);
  });
});
