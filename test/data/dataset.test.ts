import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openEncoded } from '../../src/data/dataset.js';
import { readDescription } from '../../src/data/dataset-file.js';
import type { Addon, ColumnSpec, NativeDataset } from '../../src/runtime/native.js';
import {
  configOf,
  type DataInput,
  encode,
  prerankError,
  readColumns,
  temporaryFolder,
  writeLog,
} from './support/logs.js';

/** Files read into ordinary memory, and a native dataset that remembers its columns. */
class RecordingDataset implements NativeDataset {
  static last: readonly ColumnSpec[] = [];
  readonly rows: number;

  constructor(columns: readonly ColumnSpec[]) {
    RecordingDataset.last = columns;
    this.rows = columns[0]?.chunks.reduce((sum, chunk) => sum + chunk.rows, 0) ?? 0;
  }

  addresses(): [] {
    return [];
  }
}

const addon: Pick<Addon, 'mapFile' | 'Dataset'> = {
  mapFile: (path) => {
    const buffer = Uint8Array.from(readFileSync(path)).buffer;
    return { path, byteLength: buffer.byteLength, buffer };
  },
  Dataset: RecordingDataset,
};

const FEATURES: DataInput['features'] = [
  { name: 'd', kind: 'dense', transform: 'none' },
  { name: 'c', kind: 'categorical' },
  { name: 'l', kind: 'multi', weights: 'w' },
];

describe('openEncoded', function () {
  this.timeout(30_000);
  const folder = temporaryFolder();
  after(folder.remove);
  const dir = join(folder.path, 'encoded');
  const part = join(dir, 'part-00000.arrow');

  before(async () => {
    const path = await writeLog(
      join(folder.path, 'log.parquet'),
      `SELECT (i % 3 = 0)::INT AS click, i::DOUBLE AS d, i % 5 AS c, [i % 2, i % 3] AS l, [i * .5, 1] AS w FROM range(70000) t(i)`,
    );
    await encode(configOf({ train: path, columns: { click: 'click' }, features: FEATURES }), dir);
  });

  it('gives every column as views of the mapped file, chunk by chunk', () => {
    const dataset = openEncoded(dir, addon);
    const [mapping] = dataset.mappedFiles;
    const expected = readColumns(dir);
    assert.deepEqual(new Set(RecordingDataset.last.map(({ name }) => name)), dataset.columns);
    for (const { name, type, chunks } of RecordingDataset.last) {
      assert.deepEqual(
        chunks.map(({ rows }) => rows),
        [65_536, 4464],
      );
      const values = chunks.flatMap((chunk): (number | number[])[] => {
        assert.equal(chunk.values.buffer, mapping?.buffer, `${name} is a copy`);
        if (!type.startsWith('list')) return [...chunk.values];
        const { offsets } = chunk;
        assert.ok(offsets);
        assert.equal(offsets.buffer, mapping?.buffer, `${name} offsets are a copy`);
        return Array.from({ length: chunk.rows }, (_, i) => [...chunk.values.subarray(offsets[i], offsets[i + 1])]);
      });
      assert.deepEqual(values, expected[name], name);
    }
    dataset.close();
    assert.throws(() => dataset.native, prerankError('INVALID_ARGUMENT', /closed/));
  });

  it('copies scalar columns out over all chunks', () => {
    const dataset = openEncoded(dir, addon);
    const expected = readColumns(dir);
    assert.deepEqual([...dataset.column('feature.d')], expected['feature.d']);
    assert.deepEqual([...(dataset.uint32('feature.c') ?? [])], expected['feature.c']);
    assert.deepEqual([...(dataset.float64('role.click') ?? [])], expected['role.click']);
    assert.equal(dataset.float64('role.bid'), null);
    assert.throws(() => dataset.column('role.bid'), prerankError('COLUMN_MISSING', /role\.bid/));
    assert.throws(() => dataset.column('feature.l'), prerankError('COLUMN_TYPE', /list/));
  });

  it('notices files that changed, shrank or vanished', () => {
    const whole = readFileSync(part);
    const open = openEncoded(dir, addon);
    truncateSync(part, 1000);
    assert.throws(() => open.column('feature.d'), prerankError('DATASET_CHANGED', /shorter than when it was opened/));
    assert.throws(() => openEncoded(dir, addon), prerankError('DATASET_CHANGED', /1000 bytes instead of/));
    writeFileSync(part, whole);
    appendFileSync(part, 'x');
    assert.throws(() => openEncoded(dir, addon), prerankError('DATASET_CHANGED'));
    renameSync(part, `${part}.away`);
    assert.throws(() => openEncoded(dir, addon), prerankError('DATASET_CHANGED', /missing/));
    rmSync(`${part}.away`);
    const corrupt = Buffer.from(whole);
    const offset = readDescription(dir).files[0]?.batches[0]?.offset ?? 0;
    corrupt.fill(0xff, offset, offset + 200);
    writeFileSync(part, corrupt);
    assert.throws(() => openEncoded(dir, addon), prerankError('DATA_INVALID', /no readable Arrow IPC file/));
    writeFileSync(part, whole);
    openEncoded(dir, addon).close();
  });

  it('refuses a folder that is no dataset', () => {
    assert.throws(() => openEncoded(folder.path, addon), prerankError('DATA_NOT_FOUND', /no dataset/));
    const json = join(folder.path, 'dataset.json');
    writeFileSync(json, '{"version": 1');
    assert.throws(() => openEncoded(folder.path, addon), prerankError('DATA_INVALID', /no JSON/));
    writeFileSync(json, '{"version": 3}');
    assert.throws(() => openEncoded(folder.path, addon), prerankError('DATA_INVALID', /fingerprint/));
  });
});
