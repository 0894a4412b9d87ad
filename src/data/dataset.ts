/** Opens an encoded dataset: its files are mapped and handed to the native core without a copy. */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Data, RecordBatchReader } from 'apache-arrow';
import { PrerankError } from '../base/errors.js';
import type {
  Addon,
  ColumnChunkSpec,
  ColumnSpec,
  ColumnType,
  NativeDataset,
  NativeMapping,
} from '../runtime/native.js';
import { checkArrowFile } from './arrow-check.js';
import { type DatasetDescription, FEATURES_FILE, readDescription } from './dataset-file.js';
import { readFeatureMap } from './feature-map.js';
import type { FeatureMap } from './features.js';

type Values = Float32Array | Uint32Array | Uint8Array;

/** Part of a column inside one mapped file. */
interface LocatedChunk extends ColumnChunkSpec {
  readonly file: string;
}

interface MappedColumn {
  readonly name: string;
  readonly type: ColumnType;
  readonly chunks: LocatedChunk[];
}

function changed(file: string, reason: string): PrerankError {
  return new PrerankError('DATASET_CHANGED', `${file}: ${reason}. Datasets must not change; encode the log again`, {
    file,
  });
}

function chunkOf(file: string, type: ColumnType, data: Data): LocatedChunk {
  if (!type.startsWith('list'))
    return { file, values: (data.values as Values).subarray(0, data.length), rows: data.length };
  const [child] = data.children;
  if (!child) throw changed(file, 'a list column has no values');
  const values = (child.values as Values).subarray(0, child.length);
  return { file, values, offsets: data.valueOffsets as Int32Array, rows: data.length };
}

function addFile(columns: readonly MappedColumn[], path: string, mapping: NativeMapping, rows: number): void {
  let found = 0;
  try {
    const bytes = new Uint8Array(mapping.buffer);
    checkArrowFile(bytes);
    for (const batch of RecordBatchReader.from(bytes)) {
      found += batch.numRows;
      for (const { name, type, chunks } of columns) {
        const data = batch.getChild(name)?.data[0];
        if (!data) throw changed(path, `no column "${name}"`);
        chunks.push(chunkOf(path, type, data));
      }
    }
  } catch (cause) {
    if (cause instanceof PrerankError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new PrerankError(
      'DATA_INVALID',
      `${path}: no readable Arrow IPC file (truncated or corrupt): ${reason}. Encode the log again`,
      { file: path },
      { cause },
    );
  }
  if (found !== rows) throw changed(path, `${found} rows instead of ${rows}`);
}

function readExactly(file: string, target: Uint8Array, position: number): void {
  const descriptor = openSync(file, 'r');
  try {
    for (let done = 0; done < target.length; ) {
      const count = readSync(descriptor, target, done, target.length - done, position + done);
      if (count === 0) throw changed(file, 'shorter than when it was opened');
      done += count;
    }
  } finally {
    closeSync(descriptor);
  }
}

function allocate(type: ColumnType, rows: number): Values {
  if (type === 'float32') return new Float32Array(rows);
  return type === 'uint32' ? new Uint32Array(rows) : new Uint8Array(rows);
}

export class Dataset {
  private constructor(
    readonly dir: string,
    readonly description: DatasetDescription,
    readonly features: FeatureMap,
    private readonly mapped: ReadonlyMap<string, MappedColumn>,
    private mappings: readonly NativeMapping[],
    private nativeDataset: NativeDataset | undefined,
  ) {}

  static open(dir: string, addon: Pick<Addon, 'mapFile' | 'Dataset'>): Dataset {
    const description = readDescription(dir);
    const columns = description.columns.map((column): MappedColumn => ({ ...column, chunks: [] }));
    const mappings = description.files.map(({ name, rows, bytes }) => {
      const path = join(dir, name);
      const size = statSync(path, { throwIfNoEntry: false })?.size;
      if (size !== bytes) throw changed(path, size === undefined ? 'missing' : `${size} bytes instead of ${bytes}`);
      const mapping = addon.mapFile(path);
      addFile(columns, path, mapping, rows);
      return mapping;
    });
    const specs = columns.map(
      ({ name, type, chunks }): ColumnSpec => ({
        name,
        type,
        chunks: chunks.map(({ values, offsets, rows }) => (offsets ? { values, offsets, rows } : { values, rows })),
      }),
    );
    const native = new addon.Dataset(specs, mappings);
    const byName = new Map(columns.map((column): [string, MappedColumn] => [column.name, column]));
    return new Dataset(dir, description, readFeatureMap(join(dir, FEATURES_FILE)), byName, mappings, native);
  }

  get rows(): number {
    return this.description.rows;
  }

  /** What loaders read from. */
  get native(): NativeDataset {
    if (!this.nativeDataset) throw new PrerankError('INVALID_ARGUMENT', `${this.dir}: the dataset is closed`);
    return this.nativeDataset;
  }

  /** The mapped files. */
  get mappedFiles(): readonly NativeMapping[] {
    return this.mappings;
  }

  /** Names of the encoded columns. */
  get columns(): ReadonlySet<string> {
    return new Set(this.mapped.keys());
  }

  /** Changes when a byte of the encoded data does. */
  get fingerprint(): string {
    return this.description.fingerprint;
  }

  /** A scalar column as float64, or null when there is none of the name. */
  float64(name: string): Float64Array | null {
    return this.mapped.has(name) ? Float64Array.from(this.column(name)) : null;
  }

  /** A scalar column as uint32, or null when there is none of the name. */
  uint32(name: string): Uint32Array | null {
    if (!this.mapped.has(name)) return null;
    const values = this.column(name);
    return values instanceof Uint32Array ? values : Uint32Array.from(values);
  }

  /**
   * A copy of a scalar column, all rows; read from the file, not through the mapping, so that a file that shrank gives an error.
   *
   * @throws PrerankError COLUMN_MISSING, COLUMN_TYPE (a list column), DATASET_CHANGED.
   */
  column(name: string): Values {
    const column = this.mapped.get(name);
    if (!column) {
      const names = [...this.mapped.keys()].join(', ');
      throw new PrerankError('COLUMN_MISSING', `${this.dir}: no column "${name}". Columns: ${names}`, { column: name });
    }
    if (column.type.startsWith('list')) {
      throw new PrerankError('COLUMN_TYPE', `${this.dir}: column "${name}" is a ${column.type}`, { column: name });
    }
    const values = allocate(column.type, this.rows);
    const bytes = new Uint8Array(values.buffer);
    let at = 0;
    for (const chunk of column.chunks) {
      const { byteOffset } = chunk.values;
      const size = chunk.rows * values.BYTES_PER_ELEMENT;
      readExactly(chunk.file, bytes.subarray(at, at + size), byteOffset);
      at += size;
    }
    return values;
  }

  /** Lets the mappings go once no loader uses them. */
  close(): void {
    this.nativeDataset = undefined;
    this.mappings = [];
  }
}

/** Opens an encoded dataset; see `encodeDataset`. */
export function openEncoded(dir: string, addon: Pick<Addon, 'mapFile' | 'Dataset'>): Dataset {
  return Dataset.open(dir, addon);
}
