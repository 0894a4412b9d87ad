/** Mapped files, datasets and loaders through the addon: nothing is copied but into batches, and files may shrink. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { loadAddon, packageRoot } from '../../src/runtime/load.js';
import type {
  Addon,
  ColumnSpec,
  LoaderSpec,
  NativeDataset,
  NativeMapping,
  NativeProgram,
} from '../../src/runtime/native.js';
import type { Plan, PlanValue } from '../../src/runtime/plan.js';
import { blockChecksum } from '../support/block-checksum.js';

const ROWS = 1000;
const CHUNK = 300;

/** Three columns one after the other: x = row, y = −row, ad = 3·row mod 100. */
function writeColumns(path: string): void {
  const x = Float32Array.from({ length: ROWS }, (_, row) => row);
  const y = Float32Array.from({ length: ROWS }, (_, row) => -row);
  const ad = Uint32Array.from({ length: ROWS }, (_, row) => (3 * row) % 100);
  writeFileSync(path, Buffer.concat([x, y, ad].map((column) => Buffer.from(column.buffer))));
}

function columns(buffer: ArrayBuffer): ColumnSpec[] {
  const chunks = (first: number, make: (offset: number, rows: number) => Float32Array | Uint32Array) =>
    Array.from({ length: Math.ceil(ROWS / CHUNK) }, (_, chunk) => {
      const rows = Math.min(CHUNK, ROWS - chunk * CHUNK);
      return { values: make(4 * (first * ROWS + chunk * CHUNK), rows), rows };
    });
  const floats = (offset: number, rows: number) => new Float32Array(buffer, offset, rows);
  return [
    { name: 'x', type: 'float32', chunks: chunks(0, floats) },
    { name: 'y', type: 'float32', chunks: chunks(1, floats) },
    { name: 'ad', type: 'uint32', chunks: chunks(2, (offset, rows) => new Uint32Array(buffer, offset, rows)) },
  ];
}

const SPEC: LoaderSpec = {
  batchSize: 64,
  shuffle: 'window',
  windowRows: 200,
  seed: 3,
  epochs: 1,
  threads: 2,
  training: false,
  dense: [{ domain: 'row', columns: ['x', 'y'] }],
  ids: [],
  tasks: [],
};

/** A program whose output is its dense input, so that a loader's rows can be seen. */
function echo(addon: Addon): NativeProgram {
  const value = (name: string, storage: 'input' | 'full', id: number): PlanValue => ({
    name,
    domain: 'row',
    storage,
    shape: [2],
    width: 2,
    root: id,
    column: 0,
    stride: 2,
    offset: 0,
    binding: storage === 'input' ? 0 : -1,
  });
  const copy = { kind: 'copy', layer: 'echo', backward: false, id: 0, inputs: [0], outputs: [1], attributes: {} };
  const plan: Plan = {
    tileRows: 64,
    tileFloats: 0,
    noneFloats: 0,
    accumulatorFloats: 0,
    values: [value('dense', 'input', 0), value('echo', 'full', 1)],
    segments: [{ domain: 'row', phase: 'tiles', ops: [copy] }],
    denseInputs: [{ name: 'dense', domain: 'row', width: 2 }],
    idInputs: [],
    tables: [],
    parameters: [],
    sparseGradients: [],
    tasks: [],
    outputs: [{ name: 'echo', value: 1 }],
  };
  const store = new addon.ParameterStore({
    parameters: [],
    sparse: { kind: 'sgd', beta1: 0, beta2: 0, epsilon: 1e-8, initialAccumulator: 0, l2: 0 },
    dense: {
      kind: 'sgd',
      momentum: 0,
      beta1: 0,
      beta2: 0,
      epsilon: 1e-8,
      initialAccumulator: 0,
      l2: 0,
      weightDecay: 0,
    },
    training: false,
    seed: 1,
  });
  return new addon.Program(plan, store, { threads: 1, capacity: 64, seed: 1 });
}

describe('mapped files, datasets and loaders', () => {
  let folder: string;
  let addon: Addon;
  let mapping: NativeMapping;
  let dataset: NativeDataset;

  before(() => {
    addon = loadAddon();
    folder = mkdtempSync(join(tmpdir(), 'prerank-loader-'));
    writeColumns(join(folder, 'columns'));
    mapping = addon.mapFile(join(folder, 'columns'));
    dataset = new addon.Dataset(columns(mapping.buffer), [mapping]);
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  it('every column that a batch is assembled from lies inside the mapping', () => {
    const whole: ColumnSpec = {
      name: 'all',
      type: 'uint8',
      chunks: [{ values: new Uint8Array(mapping.buffer), rows: mapping.byteLength }],
    };
    const [extent] = new addon.Dataset([whole], [mapping]).addresses();
    assert.ok(extent);
    const buffers = dataset.addresses();
    assert.equal(buffers.length, 12);
    let bytes = 0;
    for (const buffer of buffers) {
      assert.ok(buffer.address >= extent.address);
      assert.ok(buffer.address + BigInt(buffer.bytes) <= extent.address + BigInt(extent.bytes));
      bytes += buffer.bytes;
    }
    assert.equal(bytes, 3 * 4 * ROWS);
  });

  it('each row is gathered exactly once', async () => {
    const loader = new addon.Loader(dataset, SPEC);
    assert.equal(loader.batchesPerEpoch, 16);
    const [rows] = await echo(addon).predictAll(loader);
    assert.ok(rows);
    const seen = Array.from({ length: ROWS }, (_, i) => rows[2 * i] ?? -1);
    assert.notDeepEqual(
      seen,
      [...seen].sort((a, b) => a - b),
    );
    assert.deepEqual(
      [...seen].sort((a, b) => a - b),
      Array.from({ length: ROWS }, (_, i) => i),
    );
    for (const [i, x] of seen.entries()) {
      assert.equal(rows[2 * i + 1], x === 0 ? -0 : -x);
    }
    const { batches, rows: handedOut, bytesGathered } = loader.stats();
    assert.deepEqual([batches, handedOut, bytesGathered], [16, ROWS, ROWS * 2 * 4]);
    assert.deepEqual(loader.consumed(), { epoch: 1, batch: 0 });
    loader.close();
  });

  it('seeks, and says what is wrong', async () => {
    const all = (await echo(addon).predictAll(new addon.Loader(dataset, SPEC)))[0] ?? new Float32Array();
    const loader = new addon.Loader(dataset, SPEC);
    loader.seek({ epoch: 0, batch: 10 });
    const rest = (await echo(addon).predictAll(loader))[0] ?? new Float32Array();
    assert.deepEqual(rest, all.slice(2 * 640));
    assert.throws(() => loader.seek({ epoch: 0, batch: 16 }), { code: 'OUT_OF_RANGE' });
    loader.close();
    loader.close();
    assert.throws(() => loader.consumed(), /closed/);
    const dense = [{ domain: 'row' as const, columns: ['z'] }];
    assert.throws(() => new addon.Loader(dataset, { ...SPEC, dense }), { code: 'NOT_FOUND', message: /no column z/ });
    const wrongType = [{ domain: 'row' as const, columns: ['ad'] }];
    assert.throws(() => new addon.Loader(dataset, { ...SPEC, dense: wrongType }), /column ad is uint32/);
    assert.throws(() => new addon.Loader({} as NativeDataset, SPEC), /expected a Dataset/);
  });

  it('verifies a record batch when a loader first touches it', async () => {
    const words = new Uint32Array(mapping.buffer);
    const messages = Array.from({ length: Math.ceil(ROWS / CHUNK) }, (_, chunk) => words.slice(chunk, chunk + 4));
    const checksums = messages.map((words, batch) => {
      const message = new Uint8Array(words.buffer);
      return { message, checksum: blockChecksum(addon, message), file: 'part-00000.arrow', batch };
    });
    const ordered: LoaderSpec = { ...SPEC, shuffle: 'none' };
    const sound = new addon.Dataset(columns(mapping.buffer), [mapping], checksums);
    const [rows] = await echo(addon).predictAll(new addon.Loader(sound, ordered));
    assert.equal(rows?.length, 2 * ROWS);

    const damaged = new addon.Dataset(columns(mapping.buffer), [mapping], checksums);
    for (const message of messages.slice(2)) message[1] = 12345;
    const loader = new addon.Loader(damaged, ordered);
    await assert.rejects(echo(addon).predictAll(loader), {
      code: 'DATASET_CORRUPT',
      message: /part-00000\.arrow: record batch 2 is damaged/,
    });
    assert.deepEqual(loader.consumed(), { epoch: 0, batch: Math.floor((2 * CHUNK) / SPEC.batchSize) });
    // What was verified before stays so.
    assert.equal((await echo(addon).predictAll(new addon.Loader(sound, ordered)))[0]?.length, 2 * ROWS);

    assert.throws(() => new addon.Dataset(columns(mapping.buffer), [], checksums.slice(1)), {
      code: 'INVALID_ARGUMENT',
      message: /4 chunks has 3 checksums/,
    });
    const wrong = checksums.map((entry) => ({ ...entry, checksum: 'xyz' }));
    assert.throws(() => new addon.Dataset(columns(mapping.buffer), [], wrong), /16 hexadecimal digits/);
  });

  it('an id beyond its table names row and column', async () => {
    const id = { domain: 'row', column: 'ad', multi: false, pooling: 'sum', table: 0, tableRows: 99 } as const;
    const loader = new addon.Loader(dataset, { ...SPEC, shuffle: 'none', ids: [id] });
    // Row 33 is the first with id 99, and in the first batch.
    await assert.rejects(echo(addon).predictAll(loader), {
      code: 'OUT_OF_RANGE',
      message: 'column ad, row 33: id 99 is out of range for its table of 99 rows',
    });
  });

  it('maps an empty file, and refuses what is missing or beyond 4 GiB', () => {
    const empty = join(folder, 'empty');
    writeFileSync(empty, '');
    assert.equal(addon.mapFile(empty).buffer.byteLength, 0);
    assert.throws(() => addon.mapFile(join(folder, 'nothing')), { code: 'NOT_FOUND' });
    assert.throws(() => addon.mapFile(folder), { code: 'INVALID_ARGUMENT' });
    const huge = join(folder, 'huge');
    writeFileSync(huge, '');
    truncateSync(huge, 2 ** 32);
    assert.throws(() => addon.mapFile(huge), { code: 'UNSUPPORTED', message: /below 4 GiB/ });
  });

  it('refuses arrays that do not fit their rows', () => {
    const values = new Uint32Array(4);
    const list = (offsets: Int32Array, rows: number): ColumnSpec[] => [
      { name: 'tags', type: 'list<uint32>', chunks: [{ values, offsets, rows }] },
    ];
    assert.throws(() => new addon.Dataset(list(Int32Array.of(0, 2), 2), []), {
      code: 'INVALID_ARGUMENT',
      message: /2 entries/,
    });
    assert.throws(() => new addon.Dataset(list(Int32Array.of(0, 5), 1), []), { code: 'INVALID_ARGUMENT' });
    const short: ColumnSpec = { name: 'x', type: 'uint32', chunks: [{ values, rows: 5 }] };
    assert.throws(() => new addon.Dataset([short], []), /4 values for 5 rows/);
  });

  it('a file that shrinks while it is read is reported, and the process lives', function () {
    this.timeout(60_000);
    const file = join(folder, 'shrinks');
    writeFileSync(file, Buffer.from(new Float32Array(1 << 20).fill(0.5).buffer));
    const load = pathToFileURL(join(packageRoot(), 'build-test', 'src', 'runtime', 'load.js')).href;
    const script = `
      import { truncateSync } from 'node:fs';
      import { loadAddon } from ${JSON.stringify(load)};
      const addon = loadAddon();
      const mapping = addon.mapFile(${JSON.stringify(file)});
      const rows = 1 << 20;
      const column = { name: 'x', type: 'float32', chunks: [{ values: new Float32Array(mapping.buffer), rows }] };
      const dataset = new addon.Dataset([column], [mapping]);
      truncateSync(${JSON.stringify(file)}, 5000);
      const sum = column.chunks[0].values.reduce((a, b) => a + b, 0);
      const loader = new addon.Loader(dataset, ${JSON.stringify({ ...SPEC, dense: [{ domain: 'row', columns: ['x'] }] })});
      loader.close();
      try {
        new addon.Dataset([column], [mapping]);
      } catch (error) {
        console.log(JSON.stringify({ code: error.code, message: error.message, sum }));
      }`;
    const child = spawnSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8' });
    assert.equal(child.signal, null, child.stderr);
    assert.equal(child.status, 0, child.stderr);
    const { code, message, sum } = JSON.parse(child.stdout);
    assert.equal(code, 'DATASET_CHANGED');
    assert.match(message, /shrinks/);
    assert.equal(sum, (5000 / 4) * 0.5);
  });

  it('a run over a file that shrank ends with DATASET_CHANGED', async () => {
    const file = join(folder, 'shorter');
    writeColumns(file);
    const shrinking = addon.mapFile(file);
    const loader = new addon.Loader(new addon.Dataset(columns(shrinking.buffer), [shrinking]), {
      ...SPEC,
      epochs: 100_000,
    });
    truncateSync(file, 100);
    await assert.rejects(echo(addon).predictAll(loader), { code: 'DATASET_CHANGED' });
  });

  it('hashes as xxHash64 does', () => {
    const bytes = new TextEncoder().encode('abc');
    const [empty, abc] = addon.hashUtf8(bytes, Int32Array.of(0, 0, 3));
    assert.equal(empty, 0xef46db3751d8e999n);
    assert.equal(abc, 0x44bc2cf5ad770999n);
    const [number] = addon.hashInt64(BigInt64Array.of(-2n));
    const little = Uint8Array.from([0xfe, 255, 255, 255, 255, 255, 255, 255]);
    assert.equal(number, addon.hashUtf8(little, Int32Array.of(0, 8))[0]);
    assert.throws(() => addon.hashUtf8(bytes, Int32Array.of(0, 4)), { code: 'INVALID_ARGUMENT' });
  });
});
