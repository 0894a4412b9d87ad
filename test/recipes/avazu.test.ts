import assert from 'node:assert/strict';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { convertedLog, Publication, pick } from './support/recipe.js';

const HEADER =
  'id,click,hour,C1,banner_pos,site_id,site_domain,site_category,app_id,app_domain,app_category,device_id,device_ip,' +
  'device_model,device_type,device_conn_type,C14,C15,C16,C17,C18,C19,C20,C21';

describe('recipe avazu', () => {
  const files = new Publication();
  after(() => files.remove());

  before(() => {
    const rows = Array.from({ length: 20 }, (_, i) => {
      const hour = 14102100 + Math.floor(i / 2) * 100 + i;
      const site = ['1fbe01fe', '85e77100', 'f3845767'].map((id) => (i % 3 === 0 ? id : '00000000'));
      return [
        `100009416315${String(i).padStart(8, '0')}`,
        i % 4 === 0 ? 1 : 0,
        hour,
        1005,
        i % 2,
        ...site,
        'ecad2386',
        '7801e8d9',
        '07d7df22',
        'a99f214a',
        'ddd2926e',
        '44956a24',
        1,
        2,
        15706,
        320,
        50,
        1722,
        0,
        35,
        -1,
        79,
      ];
    });
    files.write('train.gz', gzipSync(`${[HEADER, ...rows.map((row) => row.join(','))].join('\n')}\n`));
  });

  it('keeps hexadecimal ids that look like numbers, and takes weekday and hour from the time', async () => {
    const rows = await files.rows('avazu/config.yaml', 'train', 'id');
    assert.deepEqual(
      pick(rows.slice(0, 2), 'id', 'click', 'time', 'weekday', 'hour_of_day', 'site_domain', 'C20', 'C21'),
      [
        ['10000941631500000000', 1, '2014-10-21 00:00:00', '2', '0', '85e77100', '-1', '79'],
        ['10000941631500000001', 0, '2014-10-21 01:00:00', '2', '1', '00000000', '-1', '79'],
      ],
    );
  });

  it('trains on nine days and evaluates on the tenth', async () => {
    const { columns, rows } = await files.train('avazu/config.yaml');
    assert.deepEqual(rows, { train: 18, eval: 2 });
    assert.equal((columns['role.click'] as number[]).filter((click) => click === 1).length, 5);
  });

  it("gives the converted log's rows from the published file", async function () {
    const converted = join(convertedLog(this, 'tiny_fixtures'), 'deepctr_avazu_100.parquet');
    const whole = new Publication();
    try {
      await whole.sql(
        `COPY (FROM '${converted}') TO '${join(whole.folder, 'train.gz')}' (FORMAT csv, HEADER, COMPRESSION gzip)`,
      );
      assert.equal((await whole.assertSameRows('avazu/config.yaml', 'train', converted)).length, 23);
    } finally {
      whole.remove();
    }
  });
});
