import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeVector, Table, tableToIPC } from 'apache-arrow';
import type { ErrorCode } from '../../src/base/errors.js';
import type { ConfigInput } from '../../src/config/schema.js';
import { readFeatureMap } from '../../src/data/feature-map.js';
import {
  configOf,
  type DataInput,
  encode,
  prerankError,
  readColumns,
  temporaryFolder,
  writeLog,
} from './support/logs.js';

describe('bad input', function () {
  this.timeout(30_000);
  const folder = temporaryFolder();
  after(folder.remove);
  let count = 0;
  const at = (name: string): string => join(folder.path, name);

  const DENSE: DataInput['features'] = [{ name: 'd', kind: 'dense' }];

  interface Case {
    readonly columns?: DataInput['columns'];
    readonly features?: DataInput['features'];
    readonly tasks?: ConfigInput['tasks'];
    readonly data?: Partial<DataInput>;
  }

  function encodeFile(path: string, { columns = { click: 'click' }, features = DENSE, tasks, data }: Case = {}) {
    return encode(configOf({ train: path, columns, features, ...data }, tasks), at(`out-${count++}`));
  }

  async function refuses(query: string, what: Case, code: ErrorCode, ...patterns: RegExp[]): Promise<void> {
    const path = await writeLog(at(`log-${count++}.parquet`), query);
    await assert.rejects(encodeFile(path, what), prerankError(code, ...patterns));
  }

  const badRow = (query: string, what: Case, ...patterns: RegExp[]): Promise<void> =>
    refuses(query, what, 'TOO_MANY_BAD_ROWS', /1 bad row so far, data\.maxBad tolerates 0/, ...patterns);

  it('names a missing column, the nearest one, and all there are', () =>
    refuses(
      'SELECT 1 AS clicks, 1.0 AS d',
      {},
      'COLUMN_MISSING',
      /log-\d+\.parquet: no column "click" \(data\.columns\.click\)\. Did you mean "clicks"\? Columns: clicks, d/,
    ));

  it('names a missing feature column by its configuration path', () =>
    refuses(
      'SELECT 1 AS click, 1.0 AS d',
      {
        features: [
          { name: 'd', kind: 'dense' },
          { name: 'x', kind: 'multi' },
        ],
      },
      'COLUMN_MISSING',
      /no column "x" \(data\.features\.context\[1\]\)/,
    ));

  it('names a column of the wrong type', async () => {
    await refuses(
      `SELECT 1 AS click, 'a' AS d`,
      {},
      'COLUMN_TYPE',
      /column "d" is VARCHAR, but data\.features\.context\[0\] needs a number/,
    );
    await refuses(
      `SELECT 1 AS click, 1.5 AS c`,
      { features: [{ name: 'c', kind: 'categorical' }] },
      'COLUMN_TYPE',
      /column "c" is DECIMAL.* needs integers or strings/,
    );
    await refuses(
      `SELECT 1 AS click, 1 AS c`,
      { features: [{ name: 'c', kind: 'multi' }] },
      'COLUMN_TYPE',
      /column "c" is INTEGER.* needs a list/,
    );
    await refuses(
      `SELECT 'yes' AS click, 1 AS d`,
      {},
      'COLUMN_TYPE',
      /column "click" is VARCHAR, but data\.columns\.click needs a number/,
    );
    const shared: DataInput['features'] = [
      { name: 'a', kind: 'categorical' },
      { name: 'b', kind: 'categorical', table: 'a' },
    ];
    await refuses(
      `SELECT 1 AS click, 1 AS a, 'x' AS b`,
      { features: shared },
      'COLUMN_TYPE',
      /shares table "a" with column "a", which holds int values/,
    );
  });

  it('refuses NaN and infinite features', async () => {
    await badRow(
      `SELECT 1 AS click, unnest([1.0, 'nan'::DOUBLE]) AS d`,
      {},
      /log-\d+\.parquet row 2: feature "d" is NaN/,
    );
    await badRow(`SELECT 1 AS click, unnest(['-inf'::DOUBLE, 1.0]) AS d`, {}, /row 1: feature "d" is -Infinity/);
    await badRow(
      `SELECT 1 AS click, 1e300::DOUBLE AS d`,
      { features: [{ name: 'd', kind: 'dense', transform: 'none' }] },
      /too large for float32/,
    );
  });

  it('refuses labels outside their range', async () => {
    await badRow('SELECT unnest([0, 1, 2]) AS click, 1.0 AS d', {}, /row 3: click is neither 0 nor 1/);
    const roles = { click: 'click', finalCtr: 'ectr' };
    await badRow(
      'SELECT 1 AS click, 1.0 AS d, 1.25 AS ectr',
      { columns: roles },
      /row 1: finalCtr is outside \[0, 1\]/,
    );
    const tasks = { liked: { label: 'liked' } };
    await badRow('SELECT -1 AS liked, 1.0 AS d', { columns: {}, tasks }, /row 1: label "liked" is outside \[0, 1\]/);
    await badRow(
      `SELECT 1 AS click, 1.0 AS d, -1 AS w`,
      { columns: { click: 'click', weight: 'w' } },
      /weight is negative/,
    );
    await badRow(
      `SELECT 1 AS click, 1.0 AS d, 'shown' AS s`,
      { columns: { click: 'click', stage: 's' } },
      /stage is no stage/,
    );
  });

  it('refuses a click or a conversion without impression, and an impression without click label', async () => {
    const columns = { click: 'click', conversion: 'buy', impression: 'shown' };
    await badRow(
      'SELECT 1 AS click, NULL::INT AS buy, 0 AS shown, 1.0 AS d',
      { columns },
      /row 1: click without impression/,
    );
    await badRow(
      'SELECT NULL::INT AS click, 1 AS buy, 0 AS shown, 1.0 AS d',
      { columns },
      /row 1: conversion without impression/,
    );
    await badRow(
      'SELECT NULL::INT AS click, 0 AS buy, 1 AS shown, 1.0 AS d',
      { columns },
      /impression in CTR traffic without a click label/,
    );
    await badRow('SELECT 1 AS click, 1 AS buy, NULL::INT AS shown, 1.0 AS d', { columns }, /impression is null/);
    const traffic = { click: 'click', impression: 'shown', ctrTraffic: 'traffic' };
    const path = await writeLog(at('quality.parquet'), 'SELECT NULL::INT AS click, 1 AS shown, 0 AS traffic, 1.0 AS d');
    assert.equal((await encodeFile(path, { columns: traffic })).rows, 1);
  });

  it('refuses a null inside an id list, and weights that do not fit', async () => {
    const features: DataInput['features'] = [{ name: 'ids', kind: 'multi' }];
    await badRow(
      'SELECT 1 AS click, unnest([[1, 2], [3, NULL], NULL]) AS ids',
      { features },
      /row 2: feature "ids" has a null in its list/,
    );
    const weighted: DataInput['features'] = [{ name: 'ids', kind: 'multi', weights: 'w' }];
    await badRow(
      'SELECT 1 AS click, [1, 2] AS ids, [0.5] AS w',
      { features: weighted },
      /has not as many weights as ids/,
    );
    await badRow(
      `SELECT 1 AS click, [1] AS ids, ['nan'::DOUBLE] AS w`,
      { features: weighted },
      /weight that is no finite number/,
    );
    await badRow(
      `SELECT 1 AS click, [1] AS ids, [NULL::DOUBLE] AS w`,
      { features: weighted },
      /weight that is no finite number/,
    );
  });

  it('follows the null policies', async () => {
    const query = `SELECT 1 AS click, unnest([1.0, NULL, 3.0]) AS d, unnest(['a', 'a', NULL]) AS c`;
    const path = await writeLog(at('nulls.parquet'), query);
    const features = (nulls: 'default' | 'drop' | 'error'): DataInput['features'] => [
      { name: 'd', kind: 'dense' },
      { name: 'c', kind: 'categorical', nulls },
    ];
    const kept = await encodeFile(path, { features: features('default') });
    assert.deepEqual(readColumns(kept.dir)['feature.d'], [-1, 0, 1]);
    assert.deepEqual(readColumns(kept.dir)['feature.c'], [1, 1, 0]);
    const dropped = await encodeFile(path, { features: features('drop') });
    assert.deepEqual([dropped.rows, dropped.dropped, dropped.rejected], [2, 1, 0]);
    await assert.rejects(
      encodeFile(path, { features: features('error') }),
      prerankError('TOO_MANY_BAD_ROWS', /row 3: feature "c" is null/),
    );
    await assert.rejects(
      encodeFile(path, { data: { nulls: 'error' } }),
      prerankError('TOO_MANY_BAD_ROWS', /row 2: feature "d" is null/),
    );
    const request = { columns: { click: 'click', request: 'c' } };
    await assert.rejects(encodeFile(path, request), prerankError('TOO_MANY_BAD_ROWS', /row 3: request is null/));
  });

  it('tolerates maxBad rows and lists them in rejects.jsonl', async () => {
    const path = await writeLog(
      at('some.parquet'),
      'SELECT unnest([0, 5, 1, 7]) AS click, unnest([1.0, 2.0, 3.0, 4.0]) AS d',
    );
    const encoded = await encodeFile(path, { data: { maxBad: 2 } });
    assert.deepEqual([encoded.rows, encoded.rejected], [2, 2]);
    const lines = readFileSync(join(encoded.dir, 'rejects.jsonl'), 'utf8').trimEnd().split('\n');
    assert.deepEqual(
      lines.map((line) => JSON.parse(line) as unknown),
      [
        { file: path, row: 2, column: 'click', value: '5', reason: 'click is neither 0 nor 1' },
        { file: path, row: 4, column: 'click', value: '7', reason: 'click is neither 0 nor 1' },
      ],
    );
    await assert.rejects(
      encodeFile(path, { data: { maxBad: 1 } }),
      prerankError('TOO_MANY_BAD_ROWS', /2 bad rows so far, data\.maxBad tolerates 1/),
    );
  });

  it('names a file or glob that is not there', async () => {
    await assert.rejects(
      encodeFile(at('absent.parquet')),
      prerankError('DATA_NOT_FOUND', /absent\.parquet: no such file/),
    );
    await assert.rejects(
      encodeFile(at('absent-*.csv')),
      prerankError('DATA_NOT_FOUND', /absent-\*\.csv: no file matches/),
    );
    writeFileSync(at('notes.txt'), 'x');
    await assert.rejects(
      encodeFile(at('notes.txt')),
      prerankError('DATA_INVALID', /notes\.txt: unknown kind of file.*\.parquet/),
    );
  });

  it('refuses empty files and logs without rows', async () => {
    for (const name of ['empty.parquet', 'empty.csv', 'empty.arrow']) {
      writeFileSync(at(name), '');
      await assert.rejects(encodeFile(at(name)), prerankError('DATA_EMPTY', new RegExp(`${name}: the file is empty`)));
    }
    await refuses('SELECT 1 AS click, 1.0 AS d WHERE false', {}, 'DATA_EMPTY', /no rows/);
    writeFileSync(at('header.csv'), 'click,d\n');
    await assert.rejects(encodeFile(at('header.csv')), prerankError('DATA_EMPTY', /header\.csv: no rows/));
    const nothing = new Table({ click: makeVector(new Uint8Array(0)), d: makeVector(new Float32Array(0)) });
    writeFileSync(at('nothing.arrow'), tableToIPC(nothing, 'file'));
    await assert.rejects(encodeFile(at('nothing.arrow')), prerankError('DATA_EMPTY', /nothing\.arrow: no rows/));
    await refuses(
      'SELECT 1 AS click, NULL::DOUBLE AS d',
      { data: { nulls: 'drop' } },
      'DATA_EMPTY',
      /no row is left \(0 rejected, 1 dropped/,
    );
  });

  it('refuses truncated and corrupt Parquet', async () => {
    const path = await writeLog(at('cut.parquet'), 'SELECT 1 AS click, i::DOUBLE AS d FROM range(20000) t(i)');
    const whole = readFileSync(path);
    truncateSync(path, Math.floor(whole.length / 2));
    await assert.rejects(encodeFile(path), prerankError('DATA_INVALID', /cut\.parquet: cannot be read/));
    const corrupt = Buffer.from(whole);
    corrupt.fill(0xa5, 16, Math.floor(whole.length / 2));
    writeFileSync(at('corrupt.parquet'), corrupt);
    await assert.rejects(
      encodeFile(at('corrupt.parquet')),
      prerankError('DATA_INVALID', /corrupt\.parquet: cannot be read/),
    );
  });

  it('refuses truncated Arrow', async () => {
    const table = new Table({ click: makeVector(new Uint8Array(5000)), d: makeVector(new Float32Array(5000)) });
    const bytes = tableToIPC(table, 'file');
    for (const length of [4, 100, 6000, bytes.length - 20]) {
      writeFileSync(at('cut.arrow'), bytes.subarray(0, length));
      await assert.rejects(
        encodeFile(at('cut.arrow')),
        prerankError('DATA_INVALID', /cut\.arrow: cannot be read: (?!\/)/),
      );
    }
  });

  it('refuses CSV and JSON that do not parse', async () => {
    writeFileSync(at('bad.json'), '{"click": 1, "d": 2}\n{"click": ');
    await assert.rejects(encodeFile(at('bad.json')), prerankError('DATA_INVALID', /bad\.json: cannot be read/));
    const rows = Array.from({ length: 30_000 }, (_, i) => `1,${i}`);
    writeFileSync(at('bad.csv'), ['click,d', ...rows, '1,oops', ''].join('\n'));
    await assert.rejects(
      encodeFile(at('bad.csv')),
      prerankError('DATA_INVALID', /bad\.csv: cannot be read:.*"oops".*Check that the files/),
    );
  });

  it('refuses SQL that is wrong, with the nearest name', async () => {
    writeFileSync(at('days.csv'), 'click,d\n1,2\n');
    const wrong: [string, RegExp][] = [
      ['SELECT nothing FROM nowhere', /sql: cannot be read:.*nowhere/],
      ['SELECT * FROM dayz', /does not exist\. Did you mean "days"\? Mend the SQL of the source$/],
      ['SELECT clik FROM days', /"clik" not found.*"click".* Mend the SQL/],
    ];
    for (const [query, message] of wrong) {
      const config = configOf({
        train: { sql: query, directory: folder.path, files: { days: [at('days.csv')] } },
        columns: { click: 'click' },
        features: DENSE,
      });
      await assert.rejects(encode(config, at('sql')), prerankError('DATA_INVALID', message));
    }
  });

  it('refuses tables of SQL whose files are not there, empty or damaged', async () => {
    writeFileSync(at('empty.feather'), '');
    writeFileSync(at('damaged.feather'), 'ARROW1\0\0 and then nothing of the kind');
    const cases: [string, ErrorCode, RegExp][] = [
      ['none.feather', 'DATA_NOT_FOUND', /none\.feather: no such file/],
      ['none-*.csv', 'DATA_NOT_FOUND', /none-\*\.csv: no file matches/],
      ['empty.feather', 'DATA_EMPTY', /empty\.feather: the file is empty/],
      ['damaged.feather', 'DATA_INVALID', /damaged\.feather/],
      ['log.txt', 'DATA_INVALID', /log\.txt: unknown kind of file/],
    ];
    writeFileSync(at('log.txt'), 'click,d\n1,2\n');
    for (const [path, code, message] of cases) {
      const train = { sql: 'SELECT * FROM days', files: { days: path }, directory: folder.path };
      const config = configOf({ train, columns: { click: 'click' }, features: DENSE });
      await assert.rejects(encode(config, at('tables')), prerankError(code, message));
    }
  });

  it('leaves no dataset behind when it fails', async () => {
    const path = await writeLog(at('fails.parquet'), 'SELECT unnest([0, 9]) AS click, 1.0 AS d');
    const config = configOf({ train: path, columns: { click: 'click' }, features: DENSE });
    await assert.rejects(encode(config, at('fails')), prerankError('TOO_MANY_BAD_ROWS'));
    assert.equal(existsSync(at('fails')), false);
    assert.match(readFileSync(at('fails.rejects.jsonl'), 'utf8'), /"row":2.*"value":"9"/);
    assert.deepEqual(
      readdirSync(folder.path).filter((name) => name.includes('.tmp-')),
      [],
    );
  });

  it('refuses a damaged features.json', () => {
    const broken: [string, RegExp][] = [
      ['{', /no feature map/],
      ['{"version": 2}', /version/],
      [
        JSON.stringify({
          version: 1,
          features: [],
          cqs: null,
          tables: [{ name: 't', rows: 5, dim: 4, mapping: { kind: 'hash', valueType: 'int', buckets: 4 } }],
        }),
        /table t has 5 rows, its mapping 4/,
      ],
    ];
    for (const [text, pattern] of broken) {
      writeFileSync(at('features.json'), text);
      assert.throws(() => readFeatureMap(at('features.json')), prerankError('DATA_INVALID', pattern));
    }
  });
});
