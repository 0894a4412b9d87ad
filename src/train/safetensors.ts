/**
 * The safetensors format, float32 tensors only: 8 bytes little-endian header length, a JSON header padded with
 * spaces, then the tensors' bytes back to back (https://github.com/huggingface/safetensors).
 */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { endianness } from 'node:os';
import { PrerankError } from '../base/errors.js';
import { writeDurable } from '../base/files.js';
import { elementCount } from '../base/shape.js';

/** A tensor to be written; `read` is called once, when its turn comes. */
export interface TensorSource {
  readonly name: string;
  readonly shape: readonly number[];
  readonly read: () => Float32Array;
}

export interface TensorEntry {
  readonly name: string;
  readonly shape: readonly number[];
  /** Of the tensor's first byte in the file. */
  readonly offset: number;
  readonly bytes: number;
}

export interface WrittenFile {
  readonly bytes: number;
  readonly sha256: string;
}

const LENGTH_BYTES = 8;
const ALIGNMENT = 64;
const MAX_HEADER_BYTES = 100_000_000;
const PIECE_BYTES = 1 << 26;

/**
 * Writes the tensors in the order given, one in memory at a time, into a temporary file that is fsynced and renamed.
 * @returns the file's size and SHA-256.
 */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorSource[],
  metadata: Readonly<Record<string, string>> = {},
): Promise<WrittenFile> {
  const header = encodeHeader(tensors, metadata);
  const hash = createHash('sha256');
  let bytes = 0;
  const write = async (file: FileHandle, piece: Uint8Array): Promise<void> => {
    hash.update(piece);
    bytes += piece.byteLength;
    await file.writeFile(piece);
  };
  await writeDurable(path, async (file) => {
    await write(file, header);
    for (const tensor of tensors) {
      const values = tensor.read();
      if (values.length !== elementCount(tensor.shape)) {
        throw new PrerankError('INTERNAL', `tensor ${tensor.name} has ${values.length} values, shape ${tensor.shape}`);
      }
      const raw = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      for (let at = 0; at < raw.byteLength; at += PIECE_BYTES) {
        await write(file, raw.subarray(at, at + PIECE_BYTES));
      }
    }
  });
  return { bytes, sha256: hash.digest('hex') };
}

function encodeHeader(tensors: readonly TensorSource[], metadata: Readonly<Record<string, string>>): Uint8Array {
  if (endianness() !== 'LE') {
    throw new PrerankError('UNSUPPORTED', 'safetensors files are little-endian; this machine is not');
  }
  const entries: Record<string, unknown> = {};
  if (Object.keys(metadata).length > 0) {
    entries.__metadata__ = metadata;
  }
  let offset = 0;
  for (const { name, shape } of tensors) {
    if (Object.hasOwn(entries, name)) {
      throw new PrerankError('INTERNAL', `two tensors are named ${name}`);
    }
    const end = offset + elementCount(shape) * Float32Array.BYTES_PER_ELEMENT;
    entries[name] = { dtype: 'F32', shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(entries));
  const total = Math.ceil((LENGTH_BYTES + json.byteLength) / ALIGNMENT) * ALIGNMENT;
  const header = new Uint8Array(total).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(total - LENGTH_BYTES), true);
  header.set(json, LENGTH_BYTES);
  return header;
}

/** An opened, validated file; tensors are read on demand. Close it. */
export class SafetensorsFile {
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** In file order. */
  readonly tensors: readonly TensorEntry[];
  readonly #file: FileHandle;
  readonly #byName: ReadonlyMap<string, TensorEntry>;

  private constructor(path: string, file: FileHandle, header: Header) {
    this.path = path;
    this.#file = file;
    this.metadata = header.metadata;
    this.tensors = header.tensors;
    this.#byName = new Map(header.tensors.map((tensor) => [tensor.name, tensor]));
  }

  /** Opens and checks the whole header: lengths, types, shapes, offsets, no overlap and no hole. CHECKPOINT_INVALID otherwise. */
  static async open(path: string): Promise<SafetensorsFile> {
    let file: FileHandle;
    try {
      file = await open(path, 'r');
    } catch (error) {
      throw new PrerankError(
        'CHECKPOINT_INVALID',
        `cannot open tensors: ${(error as Error).message}`,
        { file: path },
        {
          cause: error,
        },
      );
    }
    try {
      return new SafetensorsFile(path, file, await readHeader(path, file));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  /** Reads one tensor into memory, row-major. */
  async read(name: string): Promise<Float32Array> {
    const entry = this.#byName.get(name);
    if (entry === undefined) {
      throw invalid(this.path, `there is no tensor ${name}`);
    }
    const values = new Float32Array(entry.bytes / Float32Array.BYTES_PER_ELEMENT);
    await readFully(this.path, this.#file, new Uint8Array(values.buffer), entry.offset);
    return values;
  }

  /** SHA-256 of the whole file. */
  async sha256(): Promise<string> {
    const hash = createHash('sha256');
    const { size } = await this.#file.stat();
    const piece = new Uint8Array(Math.min(size, PIECE_BYTES));
    for (let at = 0; at < size; at += piece.byteLength) {
      const part = piece.subarray(0, Math.min(piece.byteLength, size - at));
      await readFully(this.path, this.#file, part, at);
      hash.update(part);
    }
    return hash.digest('hex');
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

interface Header {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: readonly TensorEntry[];
}

function invalid(path: string, what: string): PrerankError {
  return new PrerankError('CHECKPOINT_INVALID', `not a valid safetensors file: ${what}`, { file: path });
}

async function readFully(path: string, file: FileHandle, into: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < into.byteLength; ) {
    const length = Math.min(PIECE_BYTES, into.byteLength - done);
    const { bytesRead } = await file.read(into, done, length, position + done);
    if (bytesRead === 0) {
      throw invalid(path, `it ends at byte ${position + done}; it shrank while being read`);
    }
    done += bytesRead;
  }
}

async function readHeader(path: string, file: FileHandle): Promise<Header> {
  const { size } = await file.stat();
  if (size < LENGTH_BYTES) {
    throw invalid(path, `it has ${size} bytes, a header length alone takes ${LENGTH_BYTES}`);
  }
  const prefix = new Uint8Array(LENGTH_BYTES);
  await readFully(path, file, prefix, 0);
  const length = new DataView(prefix.buffer).getBigUint64(0, true);
  if (length > BigInt(Math.min(MAX_HEADER_BYTES, size - LENGTH_BYTES))) {
    throw invalid(path, `its header claims ${length} bytes, the file has ${size}; it is truncated or corrupt`);
  }
  const text = new Uint8Array(Number(length));
  await readFully(path, file, text, LENGTH_BYTES);
  return parseHeader(path, text, LENGTH_BYTES + text.byteLength, size);
}

function parseHeader(path: string, text: Uint8Array, dataStart: number, fileSize: number): Header {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text));
  } catch (error) {
    throw invalid(path, `its header is not JSON (${(error as Error).message})`);
  }
  if (!isRecord(parsed)) {
    throw invalid(path, 'its header is not a JSON object');
  }
  const { __metadata__: metadata = {}, ...entries } = parsed;
  if (!isRecord(metadata) || Object.values(metadata).some((value) => typeof value !== 'string')) {
    throw invalid(path, '__metadata__ is not an object of strings');
  }
  const tensors = Object.entries(entries).map(([name, entry]) => parseEntry(path, name, entry, dataStart));
  tensors.sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  let end = dataStart;
  for (const tensor of tensors) {
    if (tensor.offset !== end) {
      const how = tensor.offset < end ? 'overlaps the one before it' : 'leaves a hole before it';
      throw invalid(path, `tensor ${tensor.name} ${how} (byte ${tensor.offset}, expected ${end})`);
    }
    end += tensor.bytes;
  }
  if (end !== fileSize) {
    const how = end > fileSize ? 'it is truncated' : 'bytes follow the last tensor';
    throw invalid(path, `its tensors end at byte ${end}, the file at ${fileSize}: ${how}`);
  }
  return { metadata: metadata as Record<string, string>, tensors };
}

function parseEntry(path: string, name: string, entry: unknown, dataStart: number): TensorEntry {
  if (!isRecord(entry)) {
    throw invalid(path, `tensor ${name} has no description`);
  }
  if (entry.dtype !== 'F32') {
    throw invalid(path, `tensor ${name} has dtype ${JSON.stringify(entry.dtype)}; only F32 is read`);
  }
  const { shape, data_offsets: offsets } = entry;
  if (!isSizes(shape)) {
    throw invalid(path, `tensor ${name} has shape ${JSON.stringify(shape)}`);
  }
  if (!isSizes(offsets) || offsets.length !== 2) {
    throw invalid(path, `tensor ${name} has data_offsets ${JSON.stringify(offsets)}`);
  }
  const [begin = 0, end = 0] = offsets;
  const bytes = elementCount(shape) * Float32Array.BYTES_PER_ELEMENT;
  if (end - begin !== bytes) {
    throw invalid(path, `tensor ${name} of shape [${shape}] takes ${bytes} bytes, its data_offsets say ${end - begin}`);
  }
  return { name, shape, offset: dataStart + begin, bytes };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
