import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  Bool,
  DateMillisecond,
  Dictionary,
  Field,
  Float32,
  Int8,
  Int32,
  List,
  makeVector,
  RecordBatchReader,
  Struct,
  Table,
  TimestampMicrosecond,
  tableFromArrays,
  tableToIPC,
  Uint16,
  Utf8,
  vectorFromArray,
} from 'apache-arrow';
import { packageRoot } from '../../src/runtime/load.js';
import { nativeError, stage } from './support/arrow-stage.js';
import { sql, temporaryFolder } from './support/logs.js';

const ROWS = 12;
const FIXTURES = join(packageRoot(), 'test', 'data', 'fixtures', 'arrow');

type Text = string | null;

/** What test/data/fixtures/arrow/make.py writes, as DuckDB prints it. */
function expectedColumns(): Record<string, { readonly type: string; readonly values: Text[] }> {
  const column = (type: string, value: (row: number) => Text): { type: string; values: Text[] } => ({
    type,
    values: Array.from({ length: ROWS }, (_, i) => (i % 5 === 3 ? null : value(i))),
  });
  const pad = (number: number): string => String(number).padStart(2, '0');
  const decimal = (number: number): string => (Number.isInteger(number) ? `${number}.0` : String(number));
  const day = (i: number): string => new Date(Date.UTC(2024, 1, 27 + i)).toISOString().slice(0, 10);
  const instant = (i: number): string =>
    new Date(Date.UTC(2024, 1, 28, 23, 59, 50 + i)).toISOString().slice(0, 19).replace('T', ' ');
  const items = (i: number): string =>
    `[${Array.from({ length: i % 4 }, (_, k) => (k === 1 ? 'NULL' : String(10 * i + k))).join(', ')}]`;
  const integers: Record<string, { type: string; values: Text[] }> = {};
  const names: Record<number, string> = { 8: 'TINYINT', 16: 'SMALLINT', 32: 'INTEGER', 64: 'BIGINT' };
  for (const [bits, name] of Object.entries(names)) {
    integers[`int${bits}`] = column(name, (i) => String(i - 6));
    integers[`uint${bits}`] = column(`U${name}`, (i) => String(i * 21));
  }
  const text = column('VARCHAR', (i) => 'é'.repeat(i) + String(i));
  const times: Record<string, { type: string; values: Text[] }> = {};
  for (const unit of ['s', 'ms', 'us', 'ns']) {
    const type = { s: 'TIMESTAMP', ms: 'TIMESTAMP', us: 'TIMESTAMP', ns: 'TIMESTAMP_NS' }[unit] ?? '';
    times[`timestamp_${unit}`] = column(type, instant);
    times[`instant_${unit}`] = column('TIMESTAMP WITH TIME ZONE', (i) => `${instant(i)}+00`);
    times[`time_${unit}`] = column('TIME', (i) => `${pad(i)}:${pad(2 * i)}:${pad(3 * i)}`);
  }
  return {
    ...integers,
    half: column('FLOAT', (i) => decimal(i / 4 - 1)),
    float: column('FLOAT', (i) => decimal(i / 4 - 1)),
    double: column('DOUBLE', (i) => decimal(i / 4 - 1)),
    bool: column('BOOLEAN', (i) => String(i % 2 === 0)),
    utf8: text,
    large_utf8: text,
    utf8_view: text,
    dictionary: column('VARCHAR', (i) => `category ${i % 2}`),
    dictionary_of_int: column('BIGINT', (i) => ['100', null, '300'][i % 3] ?? null),
    dictionary_of_bool: column('BOOLEAN', (i) => String(i % 3 !== 1)),
    date32: column('DATE', day),
    date64: column('DATE', day),
    ...times,
    decimal32: column('DECIMAL(6,2)', (i) => (i / 4).toFixed(2)),
    decimal64: column('DECIMAL(12,2)', (i) => (i / 4).toFixed(2)),
    decimal128: column('DECIMAL(30,2)', (i) => (i / 4).toFixed(2)),
    list: column('BIGINT[]', items),
    large_list: column('INTEGER[]', items),
    fixed_size_list: column('FLOAT[]', (i) => `[${i}.0, NULL, ${i + 2}.0]`),
    nested_list: column('SMALLINT[][]', (i) => `[${items(i)}, NULL]`),
    list_of_dictionary: {
      type: 'VARCHAR[]',
      values: Array.from(
        { length: ROWS },
        (_, i) => `[${Array.from({ length: i % 3 }, (_unused, k) => `label ${k}`).join(', ')}]`,
      ),
    },
    null: column('INTEGER', () => null),
    list_of_null: column('INTEGER[]', (i) => `[${Array.from({ length: i % 3 }, () => 'NULL').join(', ')}]`),
    last: column('INTEGER', String),
  };
}

describe('staging Arrow files', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  after(folder.remove);
  let count = 0;
  const at = (name: string): string => join(folder.path, name);
  const output = (): string => at(`staged-${count++}.parquet`);

  function write(bytes: Uint8Array, name = `source-${count++}.arrow`): string {
    writeFileSync(at(name), bytes);
    return at(name);
  }

  /** The staged columns as DuckDB prints their values, in the order of the file. */
  async function columns(path: string): Promise<Record<string, Text[]>> {
    const rows = await sql(
      `SET TimeZone = 'UTC'; SELECT CAST(COLUMNS(* EXCLUDE file_row_number) AS VARCHAR) FROM read_parquet('${path}', file_row_number = true) ORDER BY file_row_number`,
    );
    const names = Object.keys(await types(path));
    return Object.fromEntries(names.map((name) => [name, rows.map((row) => row[name] as Text)]));
  }

  const column = async (path: string, name: string): Promise<Text[]> => (await columns(path))[name] ?? [];

  async function types(path: string): Promise<Record<string, string>> {
    const rows = await sql(`DESCRIBE SELECT * FROM '${path}'`);
    return Object.fromEntries(rows.map((row) => [row.column_name, row.column_type]));
  }

  async function stagedValues(paths: readonly string[], name: string): Promise<Text[]> {
    const staged = output();
    await stage(paths, staged);
    return column(staged, name);
  }

  for (const name of ['types-lz4.arrow', 'types-zstd.arrows']) {
    it(`reads every type of ${name}, and leaves out what no feature can use`, async () => {
      const staged = output();
      assert.equal(await stage([join(FIXTURES, name)], staged), ROWS);
      const expected = expectedColumns();
      const found = await types(staged);
      assert.deepEqual(Object.keys(found), [...Object.keys(expected), '__file', '__row']);
      const { __file, __row, ...values } = await columns(staged);
      for (const [key, { type, values: wanted }] of Object.entries(expected)) {
        assert.equal(found[key], type, key);
        assert.deepEqual(values[key], wanted, key);
      }
      assert.deepEqual(
        __row,
        Array.from({ length: ROWS }, (_, i) => String(i)),
      );
      assert.deepEqual(new Set(__file), new Set([join(FIXTURES, name)]));
    });
  }

  const WORDS = ['first', 'second', 'third, which is a long word', 'fourth, which is a long word, too'];
  for (const name of ['delta.arrow', 'delta.arrows']) {
    it(`adds to dictionaries: ${name}`, async () => {
      const expected = WORDS.flatMap((word) => ['first', null, word]);
      assert.deepEqual(await stagedValues([join(FIXTURES, name)], 'word'), expected);
    });
  }

  it('replaces dictionaries in streams', async () => {
    const expected = WORDS.flatMap((word) => [word, null]);
    assert.deepEqual(await stagedValues([join(FIXTURES, 'replaced.arrows')], 'word'), expected);
  });

  it('names a column whose encoding is not read', async () => {
    await assert.rejects(
      stage([join(FIXTURES, 'runs.arrow')], output()),
      nativeError(
        'INVALID_ARGUMENT',
        /runs\.arrow: column "runs" is run_end_encoded, which is not read; write it plain/,
      ),
    );
  });

  describe('made by apache-arrow', () => {
    const table = new Table({
      flag: vectorFromArray([true, null, false, true, true], new Bool()),
      int8: vectorFromArray([1, -2, null, 4, 5], new Int8()),
      uint16: vectorFromArray([1, 2, 3, 65535, null], new Uint16()),
      float: makeVector(Float32Array.of(0.5, 1, -2, 3, 4)),
      text: vectorFromArray(['a', null, '', 'longer than twelve bytes', 'é'], new Utf8()),
      word: vectorFromArray(['x', 'y', null, 'x', 'z'], new Dictionary(new Utf8(), new Int32())),
      day: vectorFromArray(
        [0, null, 2, 3, 4].map((d) => (d === null ? null : new Date(d * 86_400_000))),
        new DateMillisecond(),
      ),
      time: vectorFromArray([0, 1, null, 3, 4], new TimestampMicrosecond()),
      list: vectorFromArray([[1, 2], null, [], [3], [4, 5, 6]], new List(new Field('item', new Float32(), true))),
      words: vectorFromArray([['a', 'b'], [], null, ['c'], ['d']], new List(new Field('item', new Utf8(), true))),
      left: vectorFromArray(
        [{ a: 1 }, null, { a: 3 }, { a: 4 }, { a: 5 }],
        new Struct([new Field('a', new Int32(), true)]),
      ),
      last: makeVector(Int32Array.of(1, 2, 3, 4, 5)),
    });
    const expected: Record<string, Text[]> = {
      flag: ['true', null, 'false', 'true', 'true'],
      int8: ['1', '-2', null, '4', '5'],
      uint16: ['1', '2', '3', '65535', null],
      float: ['0.5', '1.0', '-2.0', '3.0', '4.0'],
      text: ['a', null, '', 'longer than twelve bytes', 'é'],
      word: ['x', 'y', null, 'x', 'z'],
      day: ['1970-01-01', null, '1970-01-03', '1970-01-04', '1970-01-05'],
      list: ['[1.0, 2.0]', null, '[]', '[3.0]', '[4.0, 5.0, 6.0]'],
      words: ['[a, b]', '[]', null, '[c]', '[d]'],
      last: ['1', '2', '3', '4', '5'],
    };

    for (const format of ['file', 'stream'] as const) {
      it(`reads a ${format}`, async () => {
        const staged = output();
        assert.equal(await stage([write(tableToIPC(table, format))], staged), 5);
        const values = await columns(staged);
        for (const [name, wanted] of Object.entries(expected)) assert.deepEqual(values[name], wanted, name);
        assert.equal((await types(staged)).left, undefined);
      });
    }

    it('reads an empty log', async () => {
      const staged = output();
      assert.equal(await stage([write(tableToIPC(table.slice(0, 0), 'file'))], staged), 0);
      assert.deepEqual(await column(staged, 'last'), []);
    });
  });

  describe('several files', () => {
    const file = (columns: Parameters<typeof tableFromArrays>[0], name?: string): string =>
      write(tableToIPC(tableFromArrays(columns), 'file'), name);

    it('unites columns by name, in the order of the files', async () => {
      const a = file({ id: Int32Array.of(1, 2), x: Float32Array.of(0.5, 1.5) });
      const b = file({ x: Float64Array.of(0.1), y: ['only here'], id: BigInt64Array.of(2n ** 40n) });
      const staged = output();
      assert.equal(await stage([b, a, b], staged), 4);
      assert.deepEqual(await types(staged), {
        x: 'DOUBLE',
        y: 'VARCHAR',
        id: 'BIGINT',
        __file: 'VARCHAR',
        __row: 'BIGINT',
      });
      assert.deepEqual(await column(staged, 'id'), ['1099511627776', '1', '2', '1099511627776']);
      assert.deepEqual(await column(staged, 'x'), ['0.1', '0.5', '1.5', '0.1']);
      assert.deepEqual(await column(staged, 'y'), ['only here', null, null, 'only here']);
      assert.deepEqual(await column(staged, '__row'), ['0', '0', '1', '0']);
      assert.deepEqual(await column(staged, '__file'), [b, a, a, b]);
    });

    it('names column, types and files when the types do not go together', async () => {
      const a = file({ id: Int32Array.of(1) }, 'numbers.arrow');
      const b = file({ id: ['one'] }, 'words.arrow');
      await assert.rejects(
        stage([a, b], output()),
        nativeError(
          'INVALID_ARGUMENT',
          /words\.arrow: column "id" is dictionary<utf8> here and int32 in .*numbers\.arrow; make the types of a column agree/,
        ),
      );
    });

    it('refuses names that differ only in case', async () => {
      await assert.rejects(
        stage([file({ id: Int32Array.of(1) }), file({ ID: Int32Array.of(1) })], output()),
        nativeError('INVALID_ARGUMENT', /columns "id" and "ID" differ only in case/),
      );
    });
  });

  describe('damaged files', () => {
    const small = tableToIPC(tableFromArrays({ id: Int32Array.of(1, 2, 3), word: ['a', 'b', 'a'] }), 'file');
    const stream = tableToIPC(tableFromArrays({ id: Int32Array.of(1, 2, 3) }), 'stream');

    async function refuses(bytes: Uint8Array, pattern: RegExp): Promise<void> {
      await assert.rejects(stage([write(bytes)], output()), nativeError('INVALID_ARGUMENT', pattern));
    }

    it('says what the file is not', () =>
      refuses(Buffer.from('a,b\n1,2\n'), /source-\d+\.arrow: no Arrow IPC file or stream/));
    it('says when a file is truncated', () =>
      refuses(small.subarray(0, -40), /byte \d+: the file does not end with ARROW1/));
    it('says when a stream is truncated', () => refuses(stream.subarray(0, -16), /byte \d+: .*truncated/));
    it('says when a stream lacks its end mark', () =>
      refuses(stream.subarray(0, -8), /byte \d+: the stream has no end mark/));
    it('reports a missing file', () =>
      assert.rejects(stage([at('nothing.arrow')], output()), nativeError('NOT_FOUND', /nothing\.arrow: cannot open/)));

    it('names batch and column of a list whose offsets fall', async () => {
      const bytes = tableToIPC(
        new Table({ tags: vectorFromArray([[1], [2, 3], [4]], new List(new Field('item', new Int32(), true))) }),
        'file',
      );
      const offsets = Buffer.from(Int32Array.of(0, 1, 3, 4).buffer);
      const damaged = Buffer.from(bytes);
      damaged.writeInt32LE(9, damaged.indexOf(offsets) + 4);
      await refuses(
        damaged,
        /source-\d+\.arrow: record batch 0: column "tags": offsets that fall at row 1 of the batch/,
      );
    });

    it('names batch and column of an index outside its dictionary', async () => {
      const damaged = Buffer.from(small);
      damaged.writeInt32LE(7, damaged.indexOf(Buffer.from(Int32Array.of(0, 1, 0).buffer)));
      await refuses(damaged, /record batch 0: column "word": an index outside of the dictionary of 2 values at row 0/);
    });

    it('names batch and column of text that is not UTF-8', async () => {
      const bytes = tableToIPC(new Table({ text: vectorFromArray(['abc', 'needle'], new Utf8()) }), 'stream');
      const damaged = Buffer.from(bytes);
      damaged[damaged.indexOf('needle')] = 0xff;
      await refuses(damaged, /record batch 0: column "text": a string that is not UTF-8 at row 1/);
    });

    it('survives any damage', async function () {
      this.timeout(240_000);
      const sources = [
        ...['types-lz4.arrow', 'types-zstd.arrows', 'delta.arrow', 'replaced.arrows'].map((name) =>
          readFileSync(join(FIXTURES, name)),
        ),
        Buffer.from(small),
        Buffer.from(stream),
      ];
      let state = 12345;
      const random = (below: number): number => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return Math.floor((state / 2 ** 32) * below);
      };
      const outcomes = { error: 0, read: 0 };
      for (let i = 0; i < 300; i++) {
        const source = sources[i % sources.length] ?? Buffer.alloc(0);
        const truncated = i % 10 === 9;
        const damaged = Buffer.from(truncated ? source.subarray(0, random(source.length)) : source);
        if (!truncated) {
          for (let k = random(3); k >= 0; k--) damaged[random(damaged.length)] = random(256);
        }
        const path = write(damaged, 'damaged.arrow');
        const staged = output();
        try {
          await stage([path], staged);
          assert.ok(!truncated, 'a truncated file was read');
          outcomes.read++;
        } catch (error) {
          nativeError(/^(INVALID_ARGUMENT|OUT_OF_MEMORY)$/, /damaged\.arrow/)(error as Error);
          outcomes.error++;
        }
      }
      assert.ok(outcomes.error > 60, JSON.stringify(outcomes));
    });

    it('detects damage between the values, or reads the same values', async function () {
      this.timeout(240_000);
      const source = new Uint8Array(readFileSync(join(FIXTURES, 'delta.arrow')));
      const values = [...RecordBatchReader.from(source)].flatMap((batch) => {
        const data = batch.getChild('word')?.data ?? [];
        const words = data.flatMap(({ dictionary }) => dictionary?.data ?? []);
        return [...data.map((d) => d.values), ...words.flatMap((d) => [d.values, d.valueOffsets])] as Uint8Array[];
      });
      const isValue = (position: number): boolean =>
        values.some(({ byteOffset, byteLength }) => position >= byteOffset && position < byteOffset + byteLength);
      const expected = await stagedValues([join(FIXTURES, 'delta.arrow')], 'word');
      let detected = 0;
      for (let position = 0; position < source.length; position += 23) {
        if (isValue(position)) continue;
        const damaged = Uint8Array.from(source);
        damaged[position] = (damaged[position] ?? 0) ^ (1 << (position % 8));
        const staged = output();
        try {
          await stage([write(damaged, 'flipped.arrow')], staged);
        } catch (error) {
          nativeError('INVALID_ARGUMENT', /flipped\.arrow/)(error as Error);
          detected++;
          continue;
        }
        assert.deepEqual(await column(staged, 'word'), expected, `byte ${position}`);
      }
      assert.ok(detected > 50, String(detected));
    });
  });
});
