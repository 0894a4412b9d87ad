/** Encoders: each turns a few selected SQL columns into columns of the encoded dataset, chunk by chunk. */
import type { DenseTransform, NullPolicy } from '../config/types.js';
import type { Addon } from '../runtime/native.js';
import { type ChunkVector, isValid, type Utf8Column, type Validity, type Vector } from './chunk.js';
import { ListOutput, type OutputColumn, type ScalarOutput } from './output.js';
import type { Verdict } from './verdict.js';

/** The addon's hash functions. */
export type Hasher = Pick<Addon, 'hashInt64' | 'hashUtf8'>;

export interface ColumnEncoder {
  /** SQL expressions it reads. */
  readonly select: readonly string[];
  readonly outputs: readonly OutputColumn[];
  /** Reads a chunk (vectors in the order of `select`) and judges its rows. */
  load(vectors: readonly ChunkVector[], verdict: Verdict): void;
  /** Appends rows[from], …, rows[to − 1] of the loaded chunk to the outputs. */
  append(rows: Int32Array, from: number, to: number): void;
}

/** Which numbers a column may hold. */
export type NumberRule = 'finite' | 'nonNegative' | 'probability' | 'binary' | 'stage' | 'objective';

const RULES: Record<NumberRule, { readonly allowed: (x: number) => boolean; readonly text: string }> = {
  finite: { allowed: () => true, text: '' },
  nonNegative: { allowed: (x) => x >= 0, text: 'is negative' },
  probability: { allowed: (x) => x >= 0 && x <= 1, text: 'is outside [0, 1]' },
  binary: { allowed: (x) => x === 0 || x === 1, text: 'is neither 0 nor 1' },
  stage: { allowed: (x) => Number.isInteger(x) && x >= 0 && x <= 6, text: 'is no stage' },
  objective: { allowed: (x) => Number.isInteger(x) && x >= 0 && x <= 2, text: 'is no objective' },
};

function applyNulls(policy: NullPolicy, row: number, label: string, verdict: Verdict): void {
  if (policy === 'drop') verdict.drop(row);
  else if (policy === 'error') verdict.reject(row, `${label} is null`);
}

const MAX_FLOAT32 = 3.4028234663852886e38;

/** A role or label: a number, null encoded as NaN where allowed. */
export class NumberEncoder implements ColumnEncoder {
  readonly select: readonly string[];
  readonly outputs: readonly [ScalarOutput];
  /** The loaded chunk; NaN = null. */
  values: Float64Array = new Float64Array(0);

  constructor(
    private readonly label: string,
    sql: string,
    output: ScalarOutput,
    private readonly rule: NumberRule,
    private readonly nullable: boolean,
  ) {
    this.select = [sql];
    this.outputs = [output];
  }

  load([vector]: readonly ChunkVector[], verdict: Verdict): void {
    if (!vector) return;
    const { allowed, text } = RULES[this.rule];
    const values = vector.float64();
    const validity = vector.validity();
    for (let row = 0; row < values.length; row++) {
      const x = values[row] ?? 0;
      if (!isValid(validity, row)) {
        values[row] = Number.NaN;
        if (!this.nullable) verdict.reject(row, `${this.label} is null`);
      } else if (!Number.isFinite(x)) verdict.reject(row, `${this.label} is ${x}`);
      else if (Math.abs(x) > MAX_FLOAT32) verdict.reject(row, `${this.label} is too large for float32`);
      else if (!allowed(x)) verdict.reject(row, `${this.label} ${text}`);
    }
    this.values = values;
  }

  append(rows: Int32Array, from: number, to: number): void {
    this.outputs[0].append(this.values, rows, from, to);
  }
}

/** A dense feature: transforms, then float32. Null under `default` is encoded as 0. */
export class DenseEncoder implements ColumnEncoder {
  readonly select: readonly string[];
  readonly outputs: readonly [ScalarOutput];
  private values: Float64Array = new Float64Array(0);

  constructor(
    private readonly label: string,
    sql: string,
    output: ScalarOutput,
    private readonly transforms: readonly DenseTransform[],
    private readonly mean: number,
    private readonly std: number,
    private readonly nulls: NullPolicy,
  ) {
    this.select = [sql];
    this.outputs = [output];
  }

  load([vector]: readonly ChunkVector[], verdict: Verdict): void {
    if (!vector) return;
    const values = vector.float64();
    const validity = vector.validity();
    for (let row = 0; row < values.length; row++) {
      const x = values[row] ?? 0;
      if (!isValid(validity, row)) {
        values[row] = 0;
        applyNulls(this.nulls, row, this.label, verdict);
      } else if (!Number.isFinite(x)) verdict.reject(row, `${this.label} is ${x}`);
      else {
        const encoded = this.transform(x);
        if (Math.abs(encoded) > MAX_FLOAT32) verdict.reject(row, `${this.label} is too large for float32`);
        values[row] = encoded;
      }
    }
    this.values = values;
  }

  private transform(x: number): number {
    let y = x;
    for (const step of this.transforms) {
      y = step === 'log1p' ? Math.sign(y) * Math.log1p(Math.abs(y)) : (y - this.mean) / this.std;
    }
    return y;
  }

  append(rows: Int32Array, from: number, to: number): void {
    this.outputs[0].append(this.values, rows, from, to);
  }
}

/** Raw ids to table rows. `text` elements are not decoded: their bytes are hashed. */
export type RowMapper = (vector: Vector) => Uint32Array;

/** Vocabulary columns arrive mapped: the query did it. */
export const mappedRows: RowMapper = (vector) => vector.uint32();

/** bucket = hash mod buckets; null goes to the bucket of the empty string. */
export function hashedRows(hasher: Hasher, valueType: 'int' | 'string', buckets: number): RowMapper {
  const modulus = BigInt(buckets);
  const toRows = (hashes: BigUint64Array): Uint32Array => {
    const rows = new Uint32Array(hashes.length);
    for (let i = 0; i < hashes.length; i++) rows[i] = Number((hashes[i] ?? 0n) % modulus);
    return rows;
  };
  const hashText = ({ bytes, offsets }: Utf8Column): Uint32Array => toRows(hasher.hashUtf8(bytes, offsets));
  if (valueType === 'string') return (vector) => hashText(vector.utf8());
  const nullRow = hashText({ bytes: new Uint8Array(0), offsets: new Int32Array(2) })[0] ?? 0;
  return (vector) => {
    const rows = toRows(hasher.hashInt64(vector.int64()));
    const validity = vector.validity();
    if (validity) for (let i = 0; i < rows.length; i++) if (!isValid(validity, i)) rows[i] = nullRow;
    return rows;
  };
}

/** A categorical feature. `sql` gives ids (or mapped rows), `nullSql` whether the raw value is null. */
export class IdEncoder implements ColumnEncoder {
  readonly select: readonly string[];
  readonly outputs: readonly [ScalarOutput];
  private rows: Uint32Array = new Uint32Array(0);

  constructor(
    private readonly label: string,
    sql: string,
    nullSql: string,
    output: ScalarOutput,
    private readonly mapper: RowMapper,
    private readonly nulls: NullPolicy,
  ) {
    this.select = nulls === 'default' ? [sql] : [sql, nullSql];
    this.outputs = [output];
  }

  load([vector, nullVector]: readonly ChunkVector[], verdict: Verdict): void {
    if (!vector) return;
    this.rows = this.mapper(vector);
    const isNull = nullVector?.boolean();
    if (isNull) {
      for (let row = 0; row < isNull.length; row++) {
        if (isNull[row] === 1) applyNulls(this.nulls, row, this.label, verdict);
      }
    }
  }

  append(rows: Int32Array, from: number, to: number): void {
    this.outputs[0].append(this.rows, rows, from, to);
  }
}

/** A multi-valued feature with optional weights. A null list is empty under `default`; a null inside is an error. */
export class ListEncoder implements ColumnEncoder {
  readonly select: readonly string[];
  readonly outputs: readonly ListOutput[];
  private offsets: Int32Array = new Int32Array(0);
  private rows: Uint32Array = new Uint32Array(0);
  private weights: Float64Array = new Float64Array(0);
  private weightOffsets: Int32Array = new Int32Array(0);

  constructor(
    private readonly label: string,
    sql: {
      readonly ids: string;
      readonly isNull: string;
      readonly hasNull: string;
      readonly weights?: string | undefined;
    },
    output: { readonly ids: string; readonly weights?: string | undefined },
    private readonly mapper: RowMapper,
    private readonly nulls: NullPolicy,
  ) {
    const columns = [sql.ids, sql.isNull, sql.hasNull];
    this.select = sql.weights === undefined ? columns : [...columns, sql.weights];
    const outputs = [new ListOutput(output.ids, 'list<uint32>')];
    if (output.weights !== undefined) outputs.push(new ListOutput(output.weights, 'list<float32>'));
    this.outputs = outputs;
  }

  load([ids, nullVector, hasNullVector, weights]: readonly ChunkVector[], verdict: Verdict): void {
    if (!ids || !nullVector || !hasNullVector) return;
    const list = ids.list();
    this.offsets = list.offsets;
    this.rows = this.mapper(list.child);
    const isNull = nullVector.boolean();
    const hasNull = hasNullVector.boolean();
    for (let row = 0; row < isNull.length; row++) {
      if (isNull[row] === 1) applyNulls(this.nulls, row, this.label, verdict);
      else if (hasNull[row] === 1) verdict.reject(row, `${this.label} has a null in its list`);
    }
    if (weights) this.loadWeights(weights, verdict);
  }

  private loadWeights(vector: ChunkVector, verdict: Verdict): void {
    const { offsets, child } = vector.list();
    const validity: Validity = child.validity();
    this.weights = child.float64();
    this.weightOffsets = offsets;
    for (let row = 0; row + 1 < offsets.length; row++) {
      const begin = offsets[row] ?? 0;
      const end = offsets[row + 1] ?? 0;
      if (end - begin !== (this.offsets[row + 1] ?? 0) - (this.offsets[row] ?? 0)) {
        verdict.reject(row, `${this.label} has not as many weights as ids`);
      }
      for (let k = begin; k < end; k++) {
        const weight = Math.fround(this.weights[k] ?? 0);
        if (!isValid(validity, k) || !Number.isFinite(weight))
          verdict.reject(row, `${this.label} has a weight that is no finite number`);
      }
    }
  }

  append(rows: Int32Array, from: number, to: number): void {
    this.outputs[0]?.append(this.rows, this.offsets, rows, from, to);
    this.outputs[1]?.append(this.weights, this.weightOffsets, rows, from, to);
  }
}

const SAFE_HIGH_WORD = 0x1f_ffff;

/** An id role: codes in order of first appearance, the same id the same code within the dataset. Null is an error. */
export class CodeEncoder implements ColumnEncoder {
  readonly select: readonly string[];
  readonly outputs: readonly [ScalarOutput];
  private readonly codeOfKey = new Map<string | number | bigint, number>();
  private codes: Uint32Array = new Uint32Array(0);

  constructor(
    private readonly label: string,
    sql: string,
    output: ScalarOutput,
    private readonly type: 'int' | 'string',
  ) {
    this.select = [sql];
    this.outputs = [output];
  }

  load([vector]: readonly ChunkVector[], verdict: Verdict): void {
    if (!vector) return;
    const codes = new Uint32Array(vector.length);
    const validity = vector.validity();
    const keyOf = this.type === 'int' ? intKeys(vector) : textKeys(vector);
    for (let row = 0; row < codes.length; row++) {
      if (!isValid(validity, row)) verdict.reject(row, `${this.label} is null`);
      else codes[row] = this.code(keyOf(row));
    }
    this.codes = codes;
  }

  private code(key: string | number | bigint): number {
    const known = this.codeOfKey.get(key);
    if (known !== undefined) return known;
    const code = this.codeOfKey.size;
    this.codeOfKey.set(key, code);
    return code;
  }

  append(rows: Int32Array, from: number, to: number): void {
    this.outputs[0].append(this.codes, rows, from, to);
  }
}

/** Keys of 64-bit integers; a number where that is exact, so that no BigInt is made per cell. */
function intKeys(vector: Vector): (row: number) => number | bigint {
  const values = vector.int64();
  const words = new Int32Array(values.buffer, values.byteOffset, values.length * 2);
  return (row) => {
    const high = words[row * 2 + 1] ?? 0;
    if (high > SAFE_HIGH_WORD || high < -SAFE_HIGH_WORD) return values[row] ?? 0n;
    return high * 0x1_0000_0000 + ((words[row * 2] ?? 0) >>> 0);
  };
}

function textKeys(vector: Vector): (row: number) => string {
  const { bytes, offsets } = vector.utf8();
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return (row) => buffer.toString('utf8', offsets[row], offsets[row + 1]);
}
