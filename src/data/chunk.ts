/** Columns of a DuckDB chunk as typed arrays, without an object per cell. */
import type { DuckDBDataChunk } from '@duckdb/node-api';
import duckdb from '@duckdb/node-bindings';

type RawVector = ReturnType<typeof duckdb.data_chunk_get_vector>;

/** Null bits of a column: bit i set = row i is valid; null = all valid. */
export type Validity = Uint8Array | null;

export function isValid(validity: Validity, row: number): boolean {
  return validity === null || ((validity[row >> 3] ?? 0) & (1 << (row & 7))) !== 0;
}

/** UTF-8 strings: string i is bytes[offsets[i], offsets[i + 1]). */
export interface Utf8Column {
  readonly bytes: Uint8Array;
  readonly offsets: Int32Array;
}

/** Lists: list i is elements [offsets[i], offsets[i + 1]) of the child. */
export interface ListColumn {
  readonly offsets: Int32Array;
  readonly validity: Validity;
  readonly child: Vector;
}

/** Typed access to the values of one vector. Values at null positions are unspecified, strings empty. */
export interface Vector {
  readonly length: number;
  validity(): Validity;
  float64(): Float64Array;
  uint32(): Uint32Array;
  int64(): BigInt64Array;
  utf8(): Utf8Column;
}

const INLINE_STRING = 12;

/** One vector of a chunk; every method copies out of DuckDB's memory once. */
export class ChunkVector implements Vector {
  constructor(
    private readonly vector: RawVector,
    readonly length: number,
  ) {}

  static of(chunk: DuckDBDataChunk, column: number): ChunkVector {
    return new ChunkVector(duckdb.data_chunk_get_vector(chunk.chunk, column), chunk.rowCount);
  }

  private data(bytes: number): Uint8Array {
    if (this.length === 0) return new Uint8Array(0);
    const data = duckdb.vector_get_data(this.vector, bytes);
    return data.byteOffset % 8 === 0 ? data : data.slice();
  }

  validity(): Validity {
    if (this.length === 0) return null;
    return duckdb.vector_get_validity(this.vector, Math.ceil(this.length / 64) * 8) as Validity;
  }

  float64(): Float64Array {
    const data = this.data(this.length * 8);
    return new Float64Array(data.buffer, data.byteOffset, this.length);
  }

  uint32(): Uint32Array {
    const data = this.data(this.length * 4);
    return new Uint32Array(data.buffer, data.byteOffset, this.length);
  }

  int64(): BigInt64Array {
    const data = this.data(this.length * 8);
    return new BigInt64Array(data.buffer, data.byteOffset, this.length);
  }

  /** Booleans as 0 and 1. */
  boolean(): Uint8Array {
    return this.data(this.length);
  }

  /** Null strings are empty. */
  utf8(): Utf8Column {
    const validity = this.validity();
    const data = this.data(this.length * 16);
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const offsets = new Int32Array(this.length + 1);
    for (let i = 0; i < this.length; i++) {
      const size = isValid(validity, i) ? view.getUint32(i * 16, true) : 0;
      offsets[i + 1] = (offsets[i] ?? 0) + size;
    }
    const bytes = new Uint8Array(offsets[this.length] ?? 0);
    for (let i = 0; i < this.length; i++) {
      const begin = offsets[i] ?? 0;
      const size = (offsets[i + 1] ?? 0) - begin;
      if (size === 0) continue;
      const start = data.byteOffset + i * 16;
      if (size <= INLINE_STRING) bytes.set(data.subarray(i * 16 + 4, i * 16 + 4 + size), begin);
      else bytes.set(duckdb.get_data_from_pointer(data.buffer as ArrayBuffer, start + 8, size), begin);
    }
    return { bytes, offsets };
  }

  /** Null lists are empty. Elements are gathered when DuckDB's lists are not dense and in order. */
  list(): ListColumn {
    const validity = this.validity();
    const data = this.data(this.length * 16);
    const entries = new Uint32Array(data.buffer, data.byteOffset, this.length * 4);
    const child = new ChunkVector(
      duckdb.list_vector_get_child(this.vector),
      this.length === 0 ? 0 : duckdb.list_vector_get_size(this.vector),
    );
    const offsets = new Int32Array(this.length + 1);
    let dense = true;
    for (let i = 0; i < this.length; i++) {
      const size = isValid(validity, i) ? (entries[i * 4 + 2] ?? 0) : 0;
      if (size > 0 && entries[i * 4] !== offsets[i]) dense = false;
      offsets[i + 1] = (offsets[i] ?? 0) + size;
    }
    if (dense) return { offsets, validity, child };
    const order = new Uint32Array(offsets[this.length] ?? 0);
    for (let i = 0; i < this.length; i++) {
      const begin = offsets[i] ?? 0;
      const size = (offsets[i + 1] ?? 0) - begin;
      for (let k = 0; k < size; k++) order[begin + k] = (entries[i * 4] ?? 0) + k;
    }
    return { offsets, validity, child: new GatheredVector(child, order) };
  }
}

/** Elements of a vector in another order. */
class GatheredVector implements Vector {
  readonly length: number;

  constructor(
    private readonly source: Vector,
    private readonly order: Uint32Array,
  ) {
    this.length = order.length;
  }

  validity(): Validity {
    const validity = this.source.validity();
    if (validity === null) return null;
    const gathered = new Uint8Array(Math.ceil(this.length / 8));
    this.order.forEach((from, to) => {
      if (isValid(validity, from)) gathered[to >> 3] = (gathered[to >> 3] ?? 0) | (1 << (to & 7));
    });
    return gathered;
  }

  float64(): Float64Array {
    const values = this.source.float64();
    return Float64Array.from(this.order, (from) => values[from] ?? 0);
  }

  uint32(): Uint32Array {
    const values = this.source.uint32();
    return Uint32Array.from(this.order, (from) => values[from] ?? 0);
  }

  int64(): BigInt64Array {
    const values = this.source.int64();
    const gathered = new BigInt64Array(this.length);
    this.order.forEach((from, to) => {
      gathered[to] = values[from] ?? 0n;
    });
    return gathered;
  }

  utf8(): Utf8Column {
    const { bytes, offsets } = this.source.utf8();
    const parts = Array.from(this.order, (from) => bytes.subarray(offsets[from], offsets[from + 1]));
    const gathered = new Int32Array(this.length + 1);
    parts.forEach((part, i) => {
      gathered[i + 1] = (gathered[i] ?? 0) + part.length;
    });
    return { bytes: Buffer.concat(parts), offsets: gathered };
  }
}
