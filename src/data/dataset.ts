/** Opens an encoded dataset: its files are mapped and handed to the native core without a copy. */
import { closeSync, openSync, readSync } from 'node:fs';
import { type Data, type RecordBatch, RecordBatchReader, Table } from 'apache-arrow';
import { PrerankError } from '../base/errors.js';
import { loadAddon } from '../runtime/load.js';
import type {
  Addon,
  ChunkChecksumSpec,
  ColumnChunkSpec,
  ColumnSpec,
  ColumnType,
  NativeDataset,
  NativeMapping,
} from '../runtime/native.js';
import { checkArrowFile } from './arrow-check.js';
import { readFeatures } from './dataset-features.js';
import { type DatasetDescription, datasetChanged, intactFile, readDescription } from './dataset-file.js';
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

function chunkOf(file: string, type: ColumnType, data: Data): LocatedChunk {
  if (!type.startsWith('list'))
    return { file, values: (data.values as Values).subarray(0, data.length), rows: data.length };
  const [child] = data.children;
  if (!child) throw datasetChanged(file, 'a list column has no values');
  const values = (child.values as Values).subarray(0, child.length);
  return { file, values, offsets: data.valueOffsets as Int32Array, rows: data.length };
}

function chunkSpec(values: Values, offsets: Int32Array | undefined, rows: number): ColumnChunkSpec {
  return offsets ? { values, offsets, rows } : { values, rows };
}

type DescribedFile = DatasetDescription['files'][number];

/** Adds a file's record batches to the columns; returns them. */
function addFile(
  columns: readonly MappedColumn[],
  path: string,
  mapping: NativeMapping,
  { batches }: DescribedFile,
): RecordBatch[] {
  const found: RecordBatch[] = [];
  try {
    const bytes = new Uint8Array(mapping.buffer);
    checkArrowFile(bytes);
    for (const batch of RecordBatchReader.from(bytes)) {
      const rows = batches[found.length]?.rows;
      if (batch.numRows !== rows)
        throw datasetChanged(path, `a record batch of ${batch.numRows} rows instead of ${rows ?? 0}`);
      found.push(batch);
      for (const { name, type, chunks } of columns) {
        const data = batch.getChild(name)?.data[0];
        if (!data) throw datasetChanged(path, `no column "${name}"`);
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
  if (found.length !== batches.length) {
    throw datasetChanged(path, `${found.length} record batches instead of ${batches.length}`);
  }
  return found;
}

/** What the messages of a file's record batches must hash to. */
function checksumsOf(path: string, mapping: NativeMapping, { batches }: DescribedFile): ChunkChecksumSpec[] {
  return batches.map(({ offset, bytes, checksum }, batch) => {
    if (offset + bytes > mapping.byteLength) throw datasetChanged(path, `record batch ${batch} ends outside the file`);
    return { message: new Uint8Array(mapping.buffer, offset, bytes), checksum, file: path, batch };
  });
}

function readExactly(file: string, target: Uint8Array, position: number): void {
  const descriptor = openSync(file, 'r');
  try {
    for (let done = 0; done < target.length; ) {
      const count = readSync(descriptor, target, done, target.length - done, position + done);
      if (count === 0) throw datasetChanged(file, 'shorter than when it was opened');
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
    private recordBatches: readonly RecordBatch[],
    private mappings: readonly NativeMapping[],
    private nativeDataset: NativeDataset | undefined,
  ) {}

  /** `adapt` may refuse the dataset, and gives the feature map that its user wants. */
  static open(
    dir: string,
    addon: Pick<Addon, 'mapFile' | 'Dataset'>,
    adapt: (features: FeatureMap, description: DatasetDescription) => FeatureMap = (features) => features,
  ): Dataset {
    const description = readDescription(dir);
    const features = adapt(readFeatures(dir, description), description);
    const columns = description.columns.map((column): MappedColumn => ({ ...column, chunks: [] }));
    const batches: RecordBatch[] = [];
    const checksums: ChunkChecksumSpec[] = [];
    const mappings = description.files.map((file) => {
      const path = intactFile(dir, file);
      const mapping = addon.mapFile(path);
      batches.push(...addFile(columns, path, mapping, file));
      checksums.push(...checksumsOf(path, mapping, file));
      return mapping;
    });
    const specs = columns.map(
      ({ name, type, chunks }): ColumnSpec => ({
        name,
        type,
        chunks: chunks.map(({ values, offsets, rows }) => chunkSpec(values, offsets, rows)),
      }),
    );
    const native = new addon.Dataset(specs, mappings, checksums);
    const byName = new Map(columns.map((column): [string, MappedColumn] => [column.name, column]));
    return new Dataset(dir, description, features, byName, batches, mappings, native);
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

  /** Encoded feature columns that hold the same in all rows of every request. */
  get constantInRequest(): ReadonlySet<string> {
    return new Set(this.description.constantInRequest);
  }

  /** The record batches in order; their buffers are views of the mapped files. */
  batches(): readonly RecordBatch[] {
    if (!this.nativeDataset) throw new PrerankError('INVALID_ARGUMENT', `${this.dir}: the dataset is closed`);
    return this.recordBatches;
  }

  /** All rows as a table over the mapped files; nothing is copied. */
  table(): Table {
    return new Table([...this.batches()]);
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
    const column = this.located(name);
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

  /**
   * A column over the mapped files, as the native core reads it. @throws PrerankError COLUMN_MISSING.
   */
  columnSpec(name: string): ColumnSpec {
    const { type, chunks } = this.located(name);
    return { name, type, chunks: chunks.map(({ values, offsets, rows }) => chunkSpec(values, offsets, rows)) };
  }

  private located(name: string): MappedColumn {
    const column = this.mapped.get(name);
    if (column) return column;
    const names = [...this.mapped.keys()].join(', ');
    throw new PrerankError('COLUMN_MISSING', `${this.dir}: no column "${name}". Columns: ${names}`, { column: name });
  }

  /** Lets the mappings go once no loader uses them. */
  close(): void {
    this.nativeDataset = undefined;
    this.recordBatches = [];
    this.mappings = [];
  }
}

/** Opens an encoded dataset; see `encodeDataset`. */
export function openEncoded(dir: string, addon: Pick<Addon, 'mapFile' | 'Dataset'>): Dataset {
  return Dataset.open(dir, addon);
}

/**
 * Opens a dataset folder (`DIR/train`, `DIR/eval`) by mapping its files into memory.
 * @throws PrerankError DATA_NOT_FOUND, DATA_INVALID, DATASET_CHANGED.
 */
export function openDataset(dir: string): Dataset {
  return Dataset.open(dir, loadAddon());
}
