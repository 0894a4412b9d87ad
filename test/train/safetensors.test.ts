import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PrerankError } from '../../src/base/errors.js';
import { SafetensorsFile, writeSafetensors } from '../../src/train/safetensors.js';

/** A file with the given header text and `dataBytes` bytes of data. */
function fileOf(header: string, dataBytes: number, claimed = Buffer.byteLength(header)): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(claimed));
  return Buffer.concat([length, Buffer.from(header), Buffer.alloc(dataBytes)]);
}

function entry(shape: unknown, begin: unknown, end: unknown, dtype = 'F32'): object {
  return { dtype, shape, data_offsets: [begin, end] };
}

describe('safetensors', () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prerank-safetensors-'));
    path = join(folder, 'x.safetensors');
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('writes what it reads, in order, with metadata', async () => {
    const a = Float32Array.of(1, -2, 3.5, Number.NaN, 5, 6);
    await writeSafetensors(
      path,
      [
        { name: 'a.weight', shape: [2, 3], read: () => a },
        { name: 'scalar', shape: [], read: () => Float32Array.of(7) },
        { name: 'empty', shape: [0, 4], read: () => new Float32Array(0) },
      ],
      { library: 'prerank' },
    );
    const file = await SafetensorsFile.open(path);
    assert.deepEqual(file.tensors.map(({ name, shape }) => [name, shape]).sort(), [
      ['a.weight', [2, 3]],
      ['empty', [0, 4]],
      ['scalar', []],
    ]);
    assert.deepEqual(file.metadata, { library: 'prerank' });
    assert.deepEqual(await file.read('a.weight'), a);
    assert.deepEqual(await file.read('scalar'), Float32Array.of(7));
    assert.equal((await file.read('empty')).length, 0);
    await assert.rejects(file.read('b'), /no tensor b/);
    await file.close();
  });

  it('pads the header so that data starts at a multiple of 64 bytes', async () => {
    await writeSafetensors(path, [{ name: 'w', shape: [1], read: () => Float32Array.of(1) }]);
    const bytes = await readFile(path);
    assert.equal(bytes.byteLength % 64, 4);
    assert.equal(Number(bytes.readBigUInt64LE(0)) + 8, bytes.byteLength - 4);
  });

  it('reports the bytes and the SHA-256 that the reader finds', async () => {
    const written = await writeSafetensors(path, [{ name: 'w', shape: [3], read: () => new Float32Array(3) }]);
    const file = await SafetensorsFile.open(path);
    assert.equal(await file.sha256(), written.sha256);
    assert.equal((await readFile(path)).byteLength, written.bytes);
    await file.close();
  });

  it('leaves the old file and no temporary one when writing fails', async () => {
    await writeFile(path, 'old');
    const failing = writeSafetensors(path, [
      {
        name: 'w',
        shape: [1],
        read: () => {
          throw new Error('disk');
        },
      },
    ]);
    await assert.rejects(failing, /disk/);
    assert.equal(await readFile(path, 'utf8'), 'old');
    assert.deepEqual(await readdir(folder), ['x.safetensors']);
  });

  const json = JSON.stringify;
  const corrupt: readonly (readonly [what: string, bytes: Buffer, message: RegExp])[] = [
    ['an empty file', Buffer.alloc(0), /it has 0 bytes/],
    ['a length cut short', Buffer.alloc(5), /it has 5 bytes/],
    ['a header length beyond the file', fileOf('{}', 0, 1000), /claims 1000 bytes.*truncated or corrupt/],
    ['an absurd header length', Buffer.alloc(64, 0xff), /claims 18446744073709551615 bytes/],
    ['a header that is no JSON', fileOf('{"a":', 0), /not JSON/],
    ['a header that is no UTF-8', Buffer.concat([fileOf('', 0, 2), Buffer.from([0xff, 0xfe])]), /not JSON/],
    ['a header that is an array', fileOf('[]', 0), /not a JSON object/],
    ['metadata that is no object of strings', fileOf(json({ __metadata__: { a: 1 } }), 0), /__metadata__/],
    ['an entry that is no object', fileOf(json({ w: 3 }), 0), /tensor w has no description/],
    ['another type', fileOf(json({ w: entry([1], 0, 2, 'F16') }), 2), /tensor w has dtype "F16"/],
    ['a negative size', fileOf(json({ w: entry([-1], 0, 4) }), 4), /tensor w has shape \[-1\]/],
    ['a fractional size', fileOf(json({ w: entry([1.5], 0, 6) }), 6), /tensor w has shape \[1.5\]/],
    [
      'offsets that are no pair',
      fileOf(json({ w: { dtype: 'F32', shape: [1], data_offsets: [0] } }), 4),
      /data_offsets \[0\]/,
    ],
    ['offsets of another length', fileOf(json({ w: entry([2], 0, 4) }), 4), /takes 8 bytes, its data_offsets say 4/],
    ['overlap', fileOf(json({ a: entry([2], 0, 8), b: entry([1], 4, 8) }), 8), /tensor b overlaps/],
    ['a hole', fileOf(json({ a: entry([1], 0, 4), b: entry([1], 8, 12) }), 12), /tensor b leaves a hole/],
    ['missing data', fileOf(json({ w: entry([4], 0, 16) }), 12), /it is truncated/],
    ['trailing bytes', fileOf(json({ w: entry([1], 0, 4) }), 5), /bytes follow the last tensor/],
  ];
  for (const [what, bytes, message] of corrupt) {
    it(`refuses ${what}`, async () => {
      await writeFile(path, bytes);
      await assert.rejects(SafetensorsFile.open(path), (error: unknown) => {
        assert.ok(error instanceof PrerankError);
        assert.equal(error.code, 'CHECKPOINT_INVALID');
        assert.equal(error.where.file, path);
        assert.match(error.message, message);
        return true;
      });
    });
  }

  it('refuses a file cut at any length', async () => {
    await writeSafetensors(path, [{ name: 'w', shape: [8], read: () => new Float32Array(8) }]);
    const bytes = await readFile(path);
    for (let length = 0; length < bytes.byteLength; length += 1) {
      await writeFile(path, bytes.subarray(0, length));
      await assert.rejects(SafetensorsFile.open(path), { code: 'CHECKPOINT_INVALID' });
    }
  });

  it('refuses a path that does not exist', async () => {
    await assert.rejects(SafetensorsFile.open(join(folder, 'none')), { code: 'CHECKPOINT_INVALID' });
  });
});
