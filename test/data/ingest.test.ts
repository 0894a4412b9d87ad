/** `ingest` and `openDataset`: every kind of source, splits, sampling, duplicates, threads. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Field, List, Table, tableFromIPC, tableToIPC, Utf8, vectorFromArray } from 'apache-arrow';
import { type IngestOptions, ingest, openDataset } from '../../src/data/index.js';
import { type DataInput, prerankError, readColumns, sql, temporaryFolder, writeLog } from './support/logs.js';
import { COLUMNS, config, FEATURES, LOG } from './support/small-log.js';
import { hashText } from './support/xxhash64.js';

/** Values of the column `id`, which numbers the rows of the log. */
const idsIn = (dir: string): number[] => readColumns(dir)['feature.id'] as number[];

describe('ingest', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  after(folder.remove);
  const at = (...names: string[]): string => join(folder.path, ...names);
  let parquet = '';
  let expected: Record<string, unknown[]> = {};

  before(async () => {
    parquet = await writeLog(at('log.parquet'), LOG);
    await ingest(config({ train: parquet }), { out: at('expected') });
    expected = readColumns(at('expected', 'train'));
    assert.equal(expected['feature.id']?.length, 3000);
  });

  async function gives(data: Partial<DataInput>, name: string, more: Partial<IngestOptions> = {}): Promise<void> {
    const { train } = await ingest(config(data), { out: at(name), ...more });
    assert.equal(train?.rows, 3000);
    assert.deepEqual(readColumns(at(name, 'train')), expected);
  }

  it('reads JSON lines, compressed CSV, Arrow files and streams, and SQL as it reads Parquet', async () => {
    await writeLog(at('log.jsonl'), LOG, '(FORMAT json)');
    await gives({ train: at('log.jsonl') }, 'jsonl');
    await gives({ train: { sql: `SELECT * FROM 'log.parquet'`, directory: folder.path } }, 'sql');
    const rows = await sql(`SELECT * FROM '${parquet}' ORDER BY id`);
    const table = arrowTable(rows);
    writeFileSync(at('log.arrow'), tableToIPC(table, 'file'));
    await gives({ train: at('log.arrow') }, 'arrow');
    writeFileSync(at('stream.arrow'), tableToIPC(table, 'stream'));
    await gives({ train: at('stream.arrow') }, 'stream');
    const flat = LOG.replace(`['t' || (i % 3), 't' || (i % 11)] AS tags, `, '');
    await writeLog(at('flat.csv'), flat);
    writeFileSync(at('flat.csv.gz'), gzipSync(readFileSync(at('flat.csv'))));
    const { user, ad } = FEATURES as { user: object[]; ad: { name: string }[] };
    const features = { user, ad: ad.filter(({ name }) => name !== 'tags') } as DataInput['features'];
    await ingest(config({ train: at('flat.csv.gz'), features }), { out: at('csv') });
    const { 'feature.tags': _tags, ...rest } = expected;
    assert.deepEqual(readColumns(at('csv', 'train')), rest);
  });

  it('takes record batches of the caller, one after the other', async () => {
    const rows = await sql(`SELECT * FROM '${parquet}' ORDER BY id`);
    async function* batches() {
      for (let from = 0; from < rows.length; from += 700) yield* arrowTable(rows.slice(from, from + 700)).batches;
    }
    await gives({}, 'batches', { source: batches() });
    assert.deepEqual(readdirSync(at('batches')), ['train']);
    const { train } = await ingest(config({ split: { by: 'hash', fraction: 0.5 } }), {
      out: at('batches-split'),
      source: arrowTable(rows).batches,
    });
    assert.ok(train && train.rows > 0 && train.rows < 3000);
    assert.deepEqual(
      [...idsIn(at('batches-split', 'train')), ...idsIn(at('batches-split', 'eval'))].sort((a, b) => a - b),
      expected['feature.id'],
    );
    const other = createRequire(import.meta.url)('apache-arrow') as typeof import('apache-arrow');
    const foreign = [...other.RecordBatchReader.from(tableToIPC(arrowTable(rows), 'stream'))];
    await assert.rejects(
      ingest(config({}), { out: at('foreign'), source: foreign as unknown as Table['batches'] }),
      prerankError('INVALID_ARGUMENT', /another copy of apache-arrow/),
    );
    await assert.rejects(
      ingest(config({}), { out: at('none'), source: [] as Table['batches'] }),
      prerankError('DATA_EMPTY', /record batches: there is none/),
    );
    const wrong = [{ rows: 3 }] as unknown as Iterable<Table['batches'][number]>;
    await assert.rejects(
      ingest(config({}), { out: at('none'), source: wrong }),
      prerankError('INVALID_ARGUMENT', /item 0 of the source is no RecordBatch of apache-arrow/),
    );
  });

  it('names rejected rows of record batches by their number', async () => {
    const rows = await sql(`SELECT * REPLACE (CASE WHEN id = 1234 THEN 7 ELSE shown END AS shown) FROM '${parquet}'`);
    await assert.rejects(
      ingest(config({}), { out: at('bad-batches'), source: arrowTable(rows) }),
      prerankError('TOO_MANY_BAD_ROWS', /record batches row 1235: impression is neither 0 nor 1/),
    );
  });

  it('reads hive partitions whose files have other columns', async () => {
    for (const [day, columns] of [
      [1, '* EXCLUDE (x)'],
      [2, '*'],
    ] as const) {
      mkdirSync(at('hive', `day=${day}`), { recursive: true });
      await writeLog(
        at('hive', `day=${day}`, 'part.parquet'),
        `SELECT ${columns} FROM '${parquet}' WHERE (id < 1500) = (${day} = 1)`,
      );
    }
    const features = { ...(FEATURES as object), context: [{ name: 'day', kind: 'dense', transform: 'none' }] };
    await ingest(config({ train: at('hive', '*', '*.parquet'), features: features as DataInput['features'] }), {
      out: at('hive-out'),
    });
    const columns = readColumns(at('hive-out', 'train'));
    assert.deepEqual(columns['feature.id'], expected['feature.id']);
    assert.deepEqual(columns['feature.tags'], expected['feature.tags']);
    assert.deepEqual(
      columns['feature.day'],
      Array.from({ length: 3000 }, (_, i) => (i < 1500 ? 1 : 2)),
    );
    assert.ok(columns['feature.x']?.slice(0, 1500).every((x) => x === 0));
  });

  it('joins impressions, quality traffic and final-stage predictions in one query', async () => {
    await writeLog(
      at('impressions.parquet'),
      `SELECT id AS event, request, ad, user, click, x, tags, id FROM '${parquet}' WHERE shown = 1`,
    );
    await writeLog(
      at('quality.parquet'),
      `SELECT id AS event, request + 1000 AS request, ad, user, x, tags, id FROM '${parquet}' WHERE shown = 0 AND id % 3 = 0`,
    );
    await writeLog(at('final.parquet'), `SELECT id AS event, x / 100 AS ectr, x - 50 AS p_hide FROM '${parquet}'`);
    const train = {
      directory: folder.path,
      sql: `WITH events AS (
          SELECT *, true AS ctr_traffic, 1 AS shown FROM 'impressions.parquet'
          UNION ALL BY NAME SELECT *, false AS ctr_traffic, 0 AS shown FROM 'quality.parquet'
        )
        SELECT events.*, f.ectr, f.p_hide FROM events JOIN 'final.parquet' f USING (event) ORDER BY event`,
    };
    const columns = {
      request: 'request',
      ad: 'ad',
      impression: 'shown',
      click: 'click',
      ctrTraffic: 'ctr_traffic',
      finalCtr: 'ectr',
      cqs: { events: [{ column: 'p_hide', scalar: -2 }] },
    };
    await ingest(config({ train, columns }), { out: at('joined') });
    const encoded = readColumns(at('joined', 'train'));
    const joined = await sql(`SELECT id, shown FROM '${parquet}' WHERE shown = 1 OR id % 3 = 0 ORDER BY id`);
    const ids = encoded['feature.id'] as number[];
    assert.deepEqual(
      [...ids].sort((a, b) => a - b),
      joined.map(({ id }) => Number(id)),
    );
    for (const [row, id] of ids.entries()) {
      const shown = id % 5 >= 3 ? 1 : 0;
      assert.equal(encoded['role.impression']?.[row], shown);
      assert.equal(encoded['role.ctrTraffic']?.[row], shown);
      const x = ((id * 7919) % 1000) / 10;
      assert.ok(Math.abs(Number(encoded['role.cqs']?.[row]) + 2 * (x - 50)) < 1e-4);
      if (shown === 0) assert.ok(Number.isNaN(encoded['role.click']?.[row]));
    }
  });

  it('puts scattered requests together and sorts them by time', async () => {
    await writeLog(at('scattered.parquet'), `SELECT * FROM '${parquet}' ORDER BY hash(id)`);
    await ingest(config({ train: at('scattered.parquet') }), { out: at('sorted') });
    const requests = readColumns(at('sorted', 'train'))['role.request'] as number[];
    assert.deepEqual(
      requests,
      Array.from({ length: 3000 }, (_, i) => Math.floor(i / 10)),
    );
    assert.deepEqual(
      idsIn(at('sorted', 'train')).map((id) => Math.floor(id / 10)),
      requests,
    );
  });

  it('splits one log by time, by a column, and by a hash of the request', async () => {
    const kept = async (split: DataInput['split'], name: string): Promise<[number[], number[]]> => {
      await ingest(config({ train: parquet, split }), { out: at(name) });
      return [idsIn(at(name, 'train')), idsIn(at(name, 'eval'))];
    };
    const all = expected['feature.id'] as number[];
    const [before, from] = await kept({ by: 'time', at: 200 }, 'by-time');
    assert.deepEqual([before, from], [all.slice(0, 2000), all.slice(2000)]);
    const [others, u3] = await kept({ by: 'column', column: 'user', eval: ['u3', 'u4'] }, 'by-column');
    const isU3 = (id: number): boolean => [3, 4].includes(Math.floor(id / 10) % 50);
    assert.deepEqual([others, u3], [all.filter((id) => !isU3(id)), all.filter(isU3)]);
    const [training, evaluation] = await kept({ by: 'hash', fraction: 0.25 }, 'by-hash');
    const drawn = (id: number): boolean => hashText(`split/1/${Math.floor(id / 10)}`) < 2n ** 62n;
    assert.deepEqual([training, evaluation], [all.filter((id) => !drawn(id)), all.filter(drawn)]);
    const x = training.map((id) => ((id * 7919) % 1000) / 10);
    const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
    const feature = openDataset(at('by-hash', 'eval')).features.features.find(({ name }) => name === 'x');
    assert.ok(
      feature?.kind === 'dense' && Math.abs(feature.mean - mean) < 1e-9,
      'statistics of the training rows alone',
    );
  });

  it('keeps a share of each stage, weighted by its inverse', async () => {
    const stages = { retrieved: 0.1, early: 0.5, final: 0.25 };
    const sampling = { stages, weight: 'inverse' } as const;
    const { train } = await ingest(config({ train: parquet, sampling }), { out: at('sampled') });
    const rates = [0.1, 0.5, 0.25, 1, 1];
    const rateOf = (id: number): number => rates[id % 5] ?? 1;
    const keep = (id: number): boolean =>
      Number(hashText(`1/${Math.floor(id / 10)}/${id % 37}`)) < rateOf(id) * 2 ** 64;
    const columns = readColumns(at('sampled', 'train'));
    const ids = (expected['feature.id'] as number[]).filter(keep);
    assert.deepEqual(columns['feature.id'], ids);
    assert.deepEqual(columns['role.weight'], ids.map((id) => 1 / rateOf(id)).map(Math.fround));
    assert.equal(train?.sampledOut, 3000 - ids.length);
  });

  it('draws non-impressions at a rate, and multiplies a weight that the log has', async () => {
    await writeLog(at('weighted.parquet'), `SELECT *, 3 AS w FROM '${parquet}'`);
    const augmentation = { rate: 0.5, weight: 'inverse' } as const;
    const data = { train: at('weighted.parquet'), columns: { ...COLUMNS, weight: 'w' }, augmentation };
    await ingest(config(data), { out: at('rate') });
    const columns = readColumns(at('rate', 'train'));
    const shown = (id: number): boolean => id % 5 >= 3;
    const keep = (id: number): boolean => shown(id) || hashText(`1/${Math.floor(id / 10)}/${id % 37}`) < 2n ** 63n;
    const ids = (expected['feature.id'] as number[]).filter(keep);
    assert.deepEqual(columns['feature.id'], ids);
    assert.deepEqual(
      columns['role.weight'],
      ids.map((id) => (shown(id) ? 3 : 6)),
    );
  });

  it('keeps, drops or refuses duplicates of request and ad', async () => {
    await writeLog(
      at('double.parquet'),
      `SELECT * FROM '${parquet}' UNION ALL SELECT * FROM '${parquet}' WHERE id < 20`,
    );
    const given = (duplicates: 'keep' | 'drop' | 'error', maxBad = 0) =>
      ingest(config({ train: at('double.parquet'), duplicates, maxBad }), { out: at(`duplicates-${duplicates}`) });
    assert.equal((await given('keep')).train?.rows, 3020);
    const dropped = (await given('drop')).train;
    assert.deepEqual([dropped?.rows, dropped?.duplicates], [3000, 20]);
    await assert.rejects(given('error'), prerankError('TOO_MANY_BAD_ROWS', /duplicate/i));
    assert.equal((await given('error', 20)).train?.rejected, 20);
  });

  it('writes the same bytes for any number of threads', async () => {
    await writeLog(
      at('many.parquet'),
      `SELECT * REPLACE (i + 0 AS id) FROM (${LOG.replace('range(3000)', 'range(400000)')}) t, LATERAL (SELECT id AS i)`,
      '(ROW_GROUP_SIZE 102400)',
    );
    for (const threads of [1, 3]) {
      await ingest(config({ train: at('many.parquet') }), { out: at(`threads-${threads}`), threads });
    }
    const [one, three] = [1, 3].map((threads) => at(`threads-${threads}`, 'train'));
    const files = readdirSync(one ?? '').sort();
    assert.ok(files.filter((name) => name.startsWith('part-')).length >= 2);
    assert.deepEqual(readdirSync(three ?? '').sort(), files);
    for (const name of files)
      assert.ok(readFileSync(join(one ?? '', name)).equals(readFileSync(join(three ?? '', name))), name);
  });

  it('says how to read a remote log without its extension', async () => {
    await assert.rejects(
      ingest(config({ train: 's3://bucket/log.parquet' }), { out: at('remote') }),
      (error: unknown) => {
        const { code, message } = error as { code: string; message: string };
        assert.equal(code, 'DEVICE_UNAVAILABLE', message);
        assert.match(message, /INSTALL httpfs.*copy the files/);
        return true;
      },
    );
  });

  it('opens a dataset as Arrow over the mapped files, buffers aligned to 64 bytes', () => {
    const dataset = openDataset(at('expected', 'train'));
    const buffers = new Set(dataset.mappedFiles.map(({ buffer }) => buffer));
    const table = dataset.table();
    assert.equal(table.numRows, 3000);
    for (const field of table.schema.fields) {
      for (const { values, valueOffsets, children } of table.getChild(field.name)?.data ?? []) {
        for (const array of [values, valueOffsets, children[0]?.values] as (Uint8Array | undefined)[]) {
          if (array === undefined || array.byteLength === 0) continue;
          assert.ok(buffers.has(array.buffer as ArrayBuffer), `${field.name} is a copy`);
          assert.equal(array.byteOffset % 64, 0, field.name);
        }
      }
    }
    assert.deepEqual([...dataset.constantInRequest], ['feature.user']);
    assert.equal(
      dataset.batches().reduce((rows, batch) => rows + batch.numRows, 0),
      3000,
    );
    assert.equal(dataset.features.tables.find(({ name }) => name === 'ad')?.rows, 64);
    dataset.close();
    assert.throws(() => dataset.table(), prerankError('INVALID_ARGUMENT', /closed/));
  });
});

/** The log's rows as an Arrow table. */
function arrowTable(rows: readonly Record<string, unknown>[]): Table {
  const numbers = ['request', 'ad', 'ts', 'shown', 'click', 'x', 'id'];
  const columns = Object.entries(rows[0] ?? {}).map(([name]) => {
    const values = rows.map((row) => (numbers.includes(name) && row[name] !== null ? Number(row[name]) : row[name]));
    const integer = ['request', 'ad', 'shown', 'click', 'id'].includes(name);
    if (name === 'tags') return [name, vectorFromArray(values, new List(new Field('item', new Utf8(), true)))] as const;
    return [
      name,
      vectorFromArray(integer ? values.map((v) => (v === null ? null : BigInt(v as number))) : values),
    ] as const;
  });
  return tableFromIPC(tableToIPC(new Table(Object.fromEntries(columns)), 'stream'));
}
