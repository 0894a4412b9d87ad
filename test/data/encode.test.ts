import assert from 'node:assert/strict';
import { readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Field, List, makeVector, Table, tableToIPC, Utf8, vectorFromArray } from 'apache-arrow';
import { readFeatureMap, writeFeatureMap } from '../../src/data/feature-map.js';
import type { IdFeature } from '../../src/data/features.js';
import {
  configOf,
  type DataInput,
  encode,
  prerankError,
  readColumns,
  sql,
  temporaryFolder,
  writeLog,
} from './support/logs.js';
import { hashInteger, hashText } from './support/xxhash64.js';

/** 70,000 rows (two record batches) with skewed ids, nulls, lists and long strings. */
const LOG = `
  SELECT i AS row_id,
    (hash(i) % 1000)::BIGINT * 9007199254740993 AS request_id,
    CASE WHEN i % 17 = 0 THEN NULL ELSE (hash(i, 1) % 997)::DOUBLE / 10 - 20 END AS price,
    ((hash(i, 2) % 5000) * (hash(i, 3) % 7))::INTEGER AS count,
    CASE WHEN i % 13 = 0 THEN NULL ELSE 'city_of_a_rather_long_name_' || (sqrt(hash(i, 4) % 40000)::INTEGER) END AS city,
    (hash(i, 5) % 300)::INTEGER * (CASE WHEN i % 2 = 0 THEN -1 ELSE 1 END) AS ad_id,
    CASE WHEN i % 19 = 0 THEN NULL WHEN i % 7 = 0 THEN []::INTEGER[] ELSE [(hash(i, 6) % 400)::INTEGER, (hash(i, 7) % 5)::INTEGER] END AS recent,
    CASE WHEN i % 7 = 0 OR i % 19 = 0 THEN []::DOUBLE[] ELSE [0.5, i / 7] END AS recent_weight,
    CASE WHEN i % 5 = 0 THEN ['é', 'überlanges Schlagwort ' || (i % 90)] ELSE ['t' || (i % 3)] END AS tags,
    (hash(i, 8) % 4 = 0)::INTEGER AS click,
    (hash(i, 9) % 100)::DOUBLE / 100 AS p_hide,
    (hash(i, 10) % 1000)::DOUBLE / 7 AS ts
  FROM range(70000) t(i) ORDER BY i`;

const FEATURES: DataInput['features'] = [
  { name: 'price', kind: 'dense' },
  { name: 'count', kind: 'dense', transform: ['log1p', 'standardize'] },
  { name: 'raw_price', column: 'price', kind: 'dense', transform: 'log1p' },
  { name: 'city', kind: 'categorical', vocabulary: { minFrequency: 300 } },
  { name: 'ad_id', kind: 'categorical', vocabulary: { minFrequency: 150 } },
  { name: 'recent', kind: 'multi', table: 'ad_id', pooling: 'mean', weights: 'recent_weight' },
  { name: 'request', column: 'request_id', kind: 'categorical', hash: { buckets: 97 } },
  { name: 'city_hash', column: 'city', kind: 'categorical', hash: { buckets: 1009 } },
  { name: 'tags', kind: 'multi', hash: { buckets: 50 } },
];

const COLUMNS: DataInput['columns'] = {
  request: 'request_id',
  click: 'click',
  cqs: {
    events: [
      { column: 'p_hide', scalar: -1.5 },
      { column: 'ts', scalar: 0.25 },
    ],
  },
};

type Row = Record<string, unknown>;

function vocabulary(values: readonly unknown[], minFrequency: number): Map<string, number> {
  const counts = new Map<unknown, number>();
  for (const value of values) if (value !== null) counts.set(value, (counts.get(value) ?? 0) + 1);
  const kept = [...counts].filter(([, count]) => count >= minFrequency);
  kept.sort(([a, m], [b, n]) => {
    if (m !== n) return n - m;
    if (typeof a === 'number' && typeof b === 'number') return a - b;
    return Buffer.compare(Buffer.from(String(a)), Buffer.from(String(b)));
  });
  return new Map(kept.map(([value], i) => [String(value), i + 1]));
}

function standardizer(values: readonly (number | null)[]): (x: number) => number {
  const present = values.filter((x) => x !== null);
  const mean = present.reduce((a, b) => a + b, 0) / present.length;
  const std = Math.sqrt(present.reduce((a, b) => a + (b - mean) ** 2, 0) / present.length);
  return (x) => (x - mean) / std;
}

const bucket = (hash: bigint, buckets: number): number => Number(hash % BigInt(buckets));

/** Rows of a request together, requests in the order of their first rows. */
function grouped(rows: readonly Row[]): Row[] {
  const requests = new Map<unknown, Row[]>();
  for (const row of rows) {
    const known = requests.get(row.request_id);
    if (known === undefined) requests.set(row.request_id, [row]);
    else known.push(row);
  }
  return [...requests.values()].flat();
}

/** What the encoded columns must be, row by row. */
function reference(log: readonly Row[]): Record<string, unknown[]> {
  const rows = grouped(log);
  const column = <T>(name: string): T[] => rows.map((row) => row[name] as T);
  const log1p = (x: number): number => Math.sign(x) * Math.log1p(Math.abs(x));
  const price = column<number | null>('price');
  const count = column<number>('count').map(log1p);
  const scalePrice = standardizer(price);
  const scaleCount = standardizer(count);
  const lists = column<number[] | null>('recent');
  const ads = vocabulary([...column('ad_id'), ...lists.flatMap((list) => list ?? [])], 150);
  const cities = vocabulary(column('city'), 300);
  const requests = new Map<bigint, number>();
  for (const id of column<bigint>('request_id')) if (!requests.has(id)) requests.set(id, requests.size);
  return {
    'role.request': column<bigint>('request_id').map((id) => requests.get(id)),
    'role.click': column('click'),
    'role.cqs': rows.map((row) => Number(row.p_hide) * -1.5 + Number(row.ts) * 0.25),
    'feature.price': price.map((x) => (x === null ? 0 : scalePrice(x))),
    'feature.count': count.map(scaleCount),
    'feature.raw_price': price.map((x) => (x === null ? 0 : log1p(x))),
    'feature.city': column('city').map((x) => cities.get(String(x)) ?? 0),
    'feature.ad_id': column('ad_id').map((x) => ads.get(String(x)) ?? 0),
    'feature.recent': lists.map((list) => (list ?? []).map((x) => ads.get(String(x)) ?? 0)),
    'weights.recent': rows.map((row) => row.recent_weight),
    'feature.request': column<bigint>('request_id').map((id) => bucket(hashInteger(id), 97)),
    'feature.city_hash': column<string | null>('city').map((x) => bucket(hashText(x ?? ''), 1009)),
    'feature.tags': column<string[]>('tags').map((list) => list.map((x) => bucket(hashText(x), 50))),
  };
}

function isClose(actual: unknown, expected: unknown): boolean {
  if (Array.isArray(expected)) {
    return (
      Array.isArray(actual) && actual.length === expected.length && expected.every((x, i) => isClose(actual[i], x))
    );
  }
  if (Number.isInteger(expected)) return actual === expected;
  return Math.abs(Number(actual) - Number(expected)) <= 2e-6 * Math.max(1, Math.abs(Number(expected)));
}

function assertColumns(actual: Record<string, unknown[]>, expected: Record<string, unknown[]>): void {
  assert.deepEqual(Object.keys(actual).sort(), Object.keys(expected).sort());
  for (const [name, values] of Object.entries(expected)) {
    assert.equal(actual[name]?.length, values.length, name);
    const wrong = values.findIndex((value, row) => !isClose(actual[name]?.[row], value));
    if (wrong >= 0) assert.fail(`${name} row ${wrong}: ${actual[name]?.[wrong]} instead of ${values[wrong]}`);
  }
}

describe('encodeDataset', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  after(folder.remove);
  const at = (name: string): string => join(folder.path, name);
  const data = (train: DataInput['train']): DataInput => ({ train, columns: COLUMNS, features: FEATURES });

  it('encodes Parquet value by value as a row-wise reference does', async () => {
    const path = await writeLog(at('log.parquet'), LOG);
    const rows = await sql(`SELECT * FROM '${path}' ORDER BY row_id`);
    const encoded = await encode(configOf(data(path)), at('parquet'));
    assert.equal(encoded.rows, 70_000);
    assertColumns(readColumns(encoded.dir), reference(rows));
    const recent = encoded.featureMap.features.find((feature): feature is IdFeature => feature.name === 'recent');
    assert.deepEqual([recent?.table, recent?.pooling, recent?.weightsColumn], ['ad_id', 'mean', 'weights.recent']);
    const cqs = rows.map((row) => Number(row.p_hide) * -1.5 + Number(row.ts) * 0.25);
    const mean = cqs.reduce((a, b) => a + b, 0) / cqs.length;
    assert.ok(Math.abs((encoded.featureMap.cqs?.mean ?? 0) - mean) < 1e-9);
  });

  it('is the same for several files, JSON, Arrow and SQL', async () => {
    const expected = readFileSync(at('parquet/part-00000.arrow'));
    await writeLog(at('part-a.parquet'), `SELECT * FROM (${LOG}) WHERE row_id < 1000`);
    await writeLog(at('part-b.parquet'), `SELECT * FROM (${LOG}) WHERE row_id >= 1000`);
    await writeLog(at('log.json'), LOG);
    const sources: [string, DataInput['train']][] = [
      ['glob', at('part-*.parquet')],
      ['json', at('log.json')],
      ['sql', { sql: `SELECT * FROM 'log.parquet';`, directory: folder.path }],
    ];
    for (const [name, train] of sources) {
      const encoded = await encode(configOf(data(train)), at(name));
      assert.ok(readFileSync(join(encoded.dir, 'part-00000.arrow')).equals(expected), name);
    }
  });

  it('reads CSV and Arrow, and SQL that joins tables of several kinds', async () => {
    const query = `SELECT row_id, city, ad_id, price, click FROM (${LOG}) WHERE row_id < 5000 ORDER BY row_id`;
    const rows = await sql(query);
    const features: DataInput['features'] = [
      { name: 'city', kind: 'categorical' },
      { name: 'ad_id', kind: 'categorical' },
      { name: 'price', kind: 'dense' },
    ];
    await writeLog(at('small.csv'), query);
    await writeLog(at('small.parquet'), query);
    const column = (name: string) => vectorFromArray(rows.map((row) => row[name]) as (number | string | null)[]);
    const table = new Table({
      row_id: makeVector(Int32Array.from(rows, (row) => Number(row.row_id))),
      city: vectorFromArray(
        rows.map((row) => row.city as string | null),
        new Utf8(),
      ),
      ad_id: makeVector(Int32Array.from(rows, (row) => Number(row.ad_id))),
      price: column('price'),
      click: makeVector(Uint8Array.from(rows, (row) => Number(row.click))),
    });
    writeFileSync(at('small.arrow'), tableToIPC(table, 'file'));
    const joined: DataInput['train'] = {
      sql: `SELECT a.city, b.ad_id, c.price, a.click FROM small a JOIN Feathers b USING (row_id) JOIN lines c USING (row_id)
        WHERE parse_filename(b.filename) = 'small.arrow' ORDER BY row_id`,
      directory: folder.path,
      files: { small: 'small.parquet', feathers: ['small.arrow'], lines: 'small.c?v' },
    };
    const results: Record<string, unknown[]>[] = [];
    for (const train of [at('small.parquet'), at('small.csv'), at('small.arrow'), joined]) {
      const config = configOf({ train, columns: { click: 'click' }, features });
      results.push(readColumns((await encode(config, at(`small-${results.length}`))).dir));
    }
    assert.equal(results[0]?.['feature.city']?.length, 5000);
    assert.deepEqual(results[1], results[0]);
    assert.deepEqual(results[2], results[0]);
    assert.deepEqual(results[3], results[0]);
  });

  it('reads lists of an Arrow file', async () => {
    const type = new List(new Field('item', new Utf8(), true));
    const lists = vectorFromArray([['a', 'b'], [], ['b'], null, ['b', 'c']], type);
    const table = new Table({ genres: lists, click: makeVector(new Uint8Array([0, 1, 0, 1, 0])) });
    writeFileSync(at('lists.arrow'), tableToIPC(table, 'file'));
    const features: DataInput['features'] = [{ name: 'genres', kind: 'multi', vocabulary: { minFrequency: 1 } }];
    const config = configOf({ train: at('lists.arrow'), columns: { click: 'click' }, features });
    const encoded = await encode(config, at('lists'));
    assert.deepEqual(readColumns(encoded.dir)['feature.genres'], [[2, 1], [], [1], [], [1, 3]]);
  });

  it('encodes an eval split with the mapping of the training split', async () => {
    const train = await writeLog(
      at('t.parquet'),
      `SELECT unnest(['x','x','y','y','z']) AS c, 1 AS click, unnest([1,2,3,4,5]) AS d`,
    );
    const evaluation = await writeLog(
      at('e.parquet'),
      `SELECT unnest(['z','y','new',NULL]) AS c, 0 AS click, unnest([3,5,1,0]) AS d`,
    );
    const features: DataInput['features'] = [
      { name: 'c', kind: 'categorical' },
      { name: 'd', kind: 'dense' },
    ];
    const config = configOf({ train, eval: evaluation, columns: { click: 'click' }, features });
    const { featureMap } = await encode(config, at('t'));
    await writeFeatureMap(at('features.json'), featureMap);
    const encoded = await encode(config, at('e'), { split: 'eval', featureMap: readFeatureMap(at('features.json')) });
    const columns = readColumns(encoded.dir);
    assert.deepEqual(columns['feature.c'], [0, 2, 0, 0]);
    assert.deepEqual(columns['feature.d'], [0, 2 / Math.SQRT2, -2 / Math.SQRT2, -3 / Math.SQRT2].map(Math.fround));
  });

  it('sorts training rows by time for shuffle: window only', async () => {
    const path = await writeLog(
      at('time.parquet'),
      `SELECT unnest([3,1,2,1]) AS ts, unnest([0,1,2,3]) AS d, 1 AS click`,
    );
    const features: DataInput['features'] = [{ name: 'd', kind: 'dense', transform: 'none' }];
    const base = { train: path, columns: { click: 'click', time: 'ts' }, features };
    const windowed = await encode(configOf({ ...base, shuffle: 'window' }), at('window'));
    assert.deepEqual(readColumns(windowed.dir)['feature.d'], [1, 3, 2, 0]);
    const plain = await encode(configOf({ ...base, shuffle: 'none' }), at('none'));
    assert.deepEqual(readColumns(plain.dir)['feature.d'], [0, 1, 2, 3]);
  });

  it('leaves an unchanged dataset as it is and rebuilds a changed one', async () => {
    const path = await writeLog(at('r.parquet'), `SELECT 1 AS click, 2.0 AS d`);
    const features: DataInput['features'] = [{ name: 'd', kind: 'dense' }];
    const config = configOf({ train: path, columns: { click: 'click' }, features });
    const first = await encode(config, at('r'));
    assert.equal(first.reused, false);
    const stamp = statSync(join(first.dir, 'part-00000.arrow')).mtimeMs;
    const second = await encode(config, at('r'));
    assert.equal(second.reused, true);
    assert.deepEqual({ ...second, reused: false }, first);
    assert.equal(statSync(join(first.dir, 'part-00000.arrow')).mtimeMs, stamp);
    utimesSync(path, new Date(), new Date(2000, 1, 1));
    assert.equal((await encode(config, at('r'))).reused, false);
    const other = configOf({
      train: path,
      columns: { click: 'click' },
      features: [{ name: 'd', kind: 'dense', transform: 'none' }],
    });
    assert.equal((await encode(other, at('r'))).reused, false);
  });

  it('gives the same bytes twice', async () => {
    const config = configOf(data(at('log.parquet')));
    const again = await encode(config, at('again'));
    for (const name of ['part-00000.arrow', 'features.json']) {
      assert.ok(readFileSync(join(again.dir, name)).equals(readFileSync(join(at('parquet'), name))), name);
    }
  });

  it('draws non-impressions as the documented hash says', async () => {
    const path = await writeLog(
      at('aug.parquet'),
      `SELECT 'r' || (i // 50) AS request, i AS ad, (i % 50 < 2)::INTEGER AS shown, CASE WHEN i % 50 < 2 THEN 1 END AS click,
       CASE WHEN i % 50 < 2 THEN 'impression' WHEN i % 50 < 30 THEN 'final' ELSE 'early' END AS stage, i AS d, .1 AS ectr
       FROM range(2000) t(i) ORDER BY i`,
    );
    const columns = {
      request: 'request',
      ad: 'ad',
      impression: 'shown',
      click: 'click',
      stage: 'stage',
      finalCtr: 'ectr',
    };
    const features: DataInput['features'] = [{ name: 'd', kind: 'dense', transform: 'none' }];
    for (const [pool, size, from] of [
      ['mixed', 48, 2],
      ['final', 28, 2],
      ['early', 20, 30],
    ] as const) {
      const config = configOf({ train: path, columns, features, augmentation: { pool, perRequest: 6 } });
      const encoded = await encode(config, at(`aug-${pool}`));
      const expected: number[] = [];
      for (let i = 0; i < 2000; i++) {
        const position = i % 50;
        const inPool = position >= from && position < from + size;
        const drawn = Number(hashText(`1/r${Math.floor(i / 50)}/${i}`)) < (6 / size) * 2 ** 64;
        if (position < 2 || (inPool && drawn)) expected.push(i);
      }
      assert.deepEqual(readColumns(encoded.dir)['feature.d'], expected);
      assert.equal(encoded.sampledOut, 2000 - expected.length);
      assert.ok(Math.abs(expected.length - 40 * 8) < 60, `${expected.length} rows`);
    }
  });

  it('reads a prediction log without roles and labels', async () => {
    const train = await writeLog(at('p-train.parquet'), `SELECT 1 AS click, unnest([1.0, 3.0]) AS d`);
    const input = await writeLog(at('p-input.parquet'), `SELECT unnest([2.0, 4.0]) AS d`);
    const config = configOf({ train, columns: { click: 'click' }, features: [{ name: 'd', kind: 'dense' }] });
    const { featureMap } = await encode(config, at('p-train'));
    const options = { split: 'eval', featureMap, source: [input] } as const;
    await assert.rejects(encode(config, at('p-fail'), options), prerankError('COLUMN_MISSING', /no column "click"/));
    const encoded = await encode(config, at('p-input'), { ...options, optionalRoles: true });
    assert.deepEqual(readColumns(encoded.dir), { 'feature.d': [0, 2] });
  });
});
