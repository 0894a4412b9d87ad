/** Columns of the encoded dataset while a record batch is being filled. */
import { type Data, type DataType, Field, Float32, List, makeData, Uint8, Uint32 } from 'apache-arrow';
import type { ColumnType } from '../runtime/native.js';

/** Rows of every record batch but the last. */
export const BATCH_ROWS = 65_536;

type Values = Float32Array | Uint32Array | Uint8Array;
type ScalarType = 'float32' | 'uint32' | 'uint8';

function allocate(type: ScalarType, length: number): Values {
  if (type === 'float32') return new Float32Array(length);
  return type === 'uint32' ? new Uint32Array(length) : new Uint8Array(length);
}

function arrowType(type: ScalarType): Float32 | Uint32 | Uint8 {
  if (type === 'float32') return new Float32();
  return type === 'uint32' ? new Uint32() : new Uint8();
}

function makeScalar(type: ScalarType, values: Values, length: number): Data {
  return makeData({
    type: arrowType(type) as Float32,
    length,
    nullCount: 0,
    data: values.subarray(0, length) as Float32Array,
  });
}

export interface OutputColumn {
  readonly name: string;
  readonly type: ColumnType;
  readonly arrow: DataType;
  /** The rows so far as Arrow data; starts a new batch. */
  flush(): Data;
}

export class ScalarOutput implements OutputColumn {
  readonly arrow: DataType;
  private values: Values;
  private length = 0;

  constructor(
    readonly name: string,
    readonly type: ScalarType,
  ) {
    this.arrow = arrowType(type);
    this.values = allocate(type, BATCH_ROWS);
  }

  /** Appends source[rows[from]], …, source[rows[to − 1]]. */
  append(source: ArrayLike<number>, rows: Int32Array, from: number, to: number): void {
    const { values } = this;
    let at = this.length;
    for (let i = from; i < to; i++) values[at++] = source[rows[i] ?? 0] ?? 0;
    this.length = at;
  }

  flush(): Data {
    const data = makeScalar(this.type, this.values, this.length);
    this.values = allocate(this.type, BATCH_ROWS);
    this.length = 0;
    return data;
  }
}

export class ListOutput implements OutputColumn {
  readonly arrow: List;
  private offsets = new Int32Array(BATCH_ROWS + 1);
  private values: Values;
  private length = 0;

  constructor(
    readonly name: string,
    readonly type: 'list<uint32>' | 'list<float32>',
  ) {
    this.arrow = new List(new Field('item', arrowType(this.element), false));
    this.values = allocate(this.element, BATCH_ROWS);
  }

  private get element(): 'uint32' | 'float32' {
    return this.type === 'list<uint32>' ? 'uint32' : 'float32';
  }

  /** Appends the lists of rows[from], …, rows[to − 1]: list r is source[offsets[r], offsets[r + 1]). */
  append(source: ArrayLike<number>, offsets: Int32Array, rows: Int32Array, from: number, to: number): void {
    for (let i = from; i < to; i++) {
      const row = rows[i] ?? 0;
      const begin = offsets[row] ?? 0;
      const end = offsets[row + 1] ?? 0;
      let at = this.offsets[this.length] ?? 0;
      this.reserve(at + end - begin);
      for (let k = begin; k < end; k++) this.values[at++] = source[k] ?? 0;
      this.offsets[++this.length] = at;
    }
  }

  private reserve(length: number): void {
    if (length <= this.values.length) return;
    const grown = allocate(this.element, Math.max(length, this.values.length * 2));
    grown.set(this.values);
    this.values = grown;
  }

  flush(): Data {
    const count = this.offsets[this.length] ?? 0;
    const data = makeData({
      type: this.arrow,
      length: this.length,
      nullCount: 0,
      valueOffsets: this.offsets.subarray(0, this.length + 1),
      child: makeScalar(this.element, this.values, count),
    });
    this.offsets = new Int32Array(BATCH_ROWS + 1);
    this.values = allocate(this.element, BATCH_ROWS);
    this.length = 0;
    return data;
  }
}
