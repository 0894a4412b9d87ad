/** Mapped files, datasets and loaders: mirror of `native/addon/dataset_binding` and `loader_binding`. */

export type ColumnType = 'float32' | 'uint32' | 'uint8' | 'list<uint32>' | 'list<float32>';

export interface ColumnChunkSpec {
  readonly values: Float32Array | Uint32Array | Uint8Array;
  readonly offsets?: Int32Array;
  readonly rows: number;
}

export interface ColumnSpec {
  readonly name: string;
  readonly type: ColumnType;
  readonly chunks: readonly ColumnChunkSpec[];
}

/**
 * What the bytes behind one chunk of all columns must be. Verified when a loader or a replay first reads the chunk:
 * DATASET_CORRUPT names file and batch.
 */
export interface ChunkChecksumSpec {
  /** The record batch's message in the mapping. */
  readonly message: Uint8Array;
  /** xxHash64 of it, seed 0: 16 hexadecimal digits. */
  readonly checksum: string;
  readonly file: string;
  /** Number of the record batch in its file. */
  readonly batch: number;
}

/** A mapped file. `buffer` is an external ArrayBuffer over the mapping (files below 4 GiB). */
export interface NativeMapping {
  readonly path: string;
  readonly byteLength: number;
  readonly buffer: ArrayBuffer;
}

export interface NativeDataset {
  readonly rows: number;
  /** [address, bytes] of every buffer that batch assembly reads, for the zero-copy test. */
  addresses(): { column: string; address: bigint; bytes: number }[];
}

/** TaskSource of loader.h. */
export interface TaskSourceSpec {
  readonly target: string;
  readonly pseudo?: string;
  readonly shown?: string;
  /** What rows that were not shown teach: their pseudo-label or target (default), the target 0, or nothing. */
  readonly unseen?: 'label' | 'negative' | 'none';
  readonly traffic?: string;
  readonly shift?: number;
  readonly scale?: number;
  readonly probability?: boolean;
}

export interface LoaderSpec {
  readonly batchSize: number;
  readonly shuffle: 'none' | 'window' | 'full';
  readonly windowRows?: number;
  readonly seed: number;
  readonly epochs: number;
  readonly threads: number;
  /** Batches assembled ahead, no more threads than that; default: one a thread, at least 2. */
  readonly prefetch?: number;
  readonly training: boolean;
  /** Group ids by table row for the update, default true: programs on a GPU do it themselves. */
  readonly tableIndex?: boolean;
  readonly request?: string;
  readonly weight?: string;
  readonly dense: readonly { readonly domain: 'row' | 'request'; readonly columns: readonly string[] }[];
  readonly ids: readonly {
    readonly domain: 'row' | 'request';
    readonly column: string;
    readonly weights?: string;
    readonly multi: boolean;
    readonly pooling: 'sum' | 'mean';
    readonly table: number;
    readonly tableRows: number;
  }[];
  readonly tasks: readonly TaskSourceSpec[];
}

export interface Cursor {
  readonly epoch: number;
  readonly batch: number;
}

export interface LoaderStats {
  /** Handed out. */
  readonly batches: number;
  readonly rows: number;
  readonly bytesGathered: number;
  /** Readers waited for so long. */
  readonly waitSeconds: number;
  /** Batches ready or handed out. */
  readonly assembled: number;
  /** Processor seconds of the loader's threads: columns to batches, and ids sorted by table row. */
  readonly gatherSeconds: number;
  readonly indexSeconds: number;
}

export interface NativeLoader {
  readonly batchesPerEpoch: number;
  consumed(): Cursor;
  seek(cursor: Cursor): void;
  stats(): LoaderStats;
  close(): void;
}
