/** Encodes columns in memory as ingestion encodes a log. */
import { PrerankError } from '../base/errors.js';
import type { DenseFeature, Feature, FeatureMap, IdFeature, IdMapping } from '../data/features.js';
import type { ModelProgram } from '../models/model.js';
import type { ArrayBatch } from '../runtime/native.js';
import type { Run } from './run.js';

/** Columns by their names in the raw log, one number a row; NaN is null. */
export interface ColumnBatch {
  readonly rows: number;
  column(name: string): ArrayLike<number>;
}

/** Raw integers to table rows. */
type RowsOf = (values: ArrayLike<number>) => Uint32Array;

/** Dense and integer categorical features only: strings and lists have no place in columns of numbers. */
export class ColumnEncoder {
  readonly #run: Pick<Run, 'addon' | 'features'>;
  readonly #features: ReadonlyMap<string, Feature>;
  readonly #mappings: ReadonlyMap<string, RowsOf>;

  /** @throws PrerankError UNSUPPORTED naming a feature that is neither a number nor an integer id. */
  constructor(run: Pick<Run, 'addon' | 'features'>) {
    this.#run = run;
    this.#features = new Map(run.features.features.map((feature) => [feature.column, feature]));
    this.#mappings = new Map(
      run.features.features.flatMap((feature) =>
        feature.kind === 'dense' ? [] : [[feature.column, this.#mapping(feature)] as const],
      ),
    );
  }

  /**
   * The inputs of a prediction program.
   * @param offsets rows of request i: offsets[i] … offsets[i + 1]; needed when the program has inputs per request, which are
   * taken from each request's first row.
   */
  encode({ dense, ids }: Pick<ModelProgram, 'dense' | 'ids'>, batch: ColumnBatch, offsets?: Uint32Array): ArrayBatch {
    const firstRows = offsets && requestColumns(batch, offsets);
    const source = (domain: 'request' | 'row'): ColumnBatch => (domain === 'request' ? (firstRows ?? batch) : batch);
    return {
      rows: batch.rows,
      dense: dense.map(({ domain, columns }) => this.#matrix(source(domain), columns)),
      ids: ids.map(({ domain, column }) => ({ ids: this.#ids(source(domain), column) })),
      ...(offsets === undefined ? {} : { requestOfRow: requestOfRow(offsets) }),
    };
  }

  #feature(column: string): Feature {
    const feature = this.#features.get(column);
    if (feature === undefined) throw new PrerankError('INTERNAL', `the feature map has no column ${column}`);
    return feature;
  }

  /** Encoded dense features side by side, [rows, columns]. */
  #matrix(batch: ColumnBatch, columns: readonly string[]): Float32Array {
    const width = columns.length;
    const values = new Float32Array(batch.rows * width);
    for (const [place, column] of columns.entries()) {
      const feature = this.#feature(column);
      if (feature.kind === 'dense') encodeDense(feature, batch.column(feature.source), values, place, width);
    }
    return values;
  }

  #ids(batch: ColumnBatch, column: string): Uint32Array {
    const rowsOf = this.#mappings.get(column);
    if (rowsOf === undefined) throw new PrerankError('INTERNAL', `the feature map has no ids ${column}`);
    return rowsOf(batch.column(this.#feature(column).source));
  }

  #mapping(feature: IdFeature): RowsOf {
    const mapping = tableOf(this.#run.features, feature);
    if (feature.kind !== 'categorical' || mapping.valueType !== 'int') {
      throw new PrerankError(
        'UNSUPPORTED',
        `feature ${feature.name} holds ${feature.kind === 'multi' ? 'lists' : 'strings'}: rows in memory have numbers only. ` +
          'Write a log and use predict',
      );
    }
    return mapping.kind === 'hash' ? hashedRows(this.#run, mapping.buckets) : vocabularyRows(mapping.values);
  }
}

/** The first row of each request. */
function requestColumns(batch: ColumnBatch, offsets: Uint32Array): ColumnBatch {
  const first = offsets.subarray(0, -1);
  return {
    rows: first.length,
    column(name) {
      const values = batch.column(name);
      return Float64Array.from(first, (row) => values[row] ?? Number.NaN);
    },
  };
}

function requestOfRow(offsets: Uint32Array): Uint32Array {
  const requests = new Uint32Array(offsets[offsets.length - 1] ?? 0);
  for (let i = 0; i + 1 < offsets.length; i += 1) requests.fill(i, offsets[i], offsets[i + 1]);
  return requests;
}

function tableOf(features: FeatureMap, feature: IdFeature): IdMapping {
  const table = features.tables.find(({ name }) => name === feature.table);
  if (table === undefined) throw new PrerankError('INTERNAL', `the feature map has no table ${feature.table}`);
  return table.mapping;
}

function encodeDense(
  { transforms, mean, std }: DenseFeature,
  column: ArrayLike<number>,
  values: Float32Array,
  place: number,
  width: number,
): void {
  for (let row = 0; row < column.length; row += 1) {
    let value = column[row] ?? Number.NaN;
    for (const step of transforms) {
      value = step === 'log1p' ? Math.sign(value) * Math.log1p(Math.abs(value)) : (value - mean) / std;
    }
    values[row * width + place] = Number.isNaN(value) ? 0 : value;
  }
}

/** Row 0: unknown, too rare, null. */
function vocabularyRows(values: readonly string[]): RowsOf {
  const rowOf = new Map(values.map((value, i) => [Number(value), i + 1]));
  return (column) => Uint32Array.from(column, (value) => rowOf.get(value) ?? 0);
}

function hashedRows({ addon }: Pick<Run, 'addon'>, buckets: number): RowsOf {
  const modulus = BigInt(buckets);
  const nullHash = addon.hashUtf8(new Uint8Array(0), new Int32Array(2))[0] ?? 0n;
  return (column) => {
    const present = Array.from(column, (value) => !Number.isNaN(value));
    const keys = BigInt64Array.from(column, (value, row) => (present[row] ? BigInt(value) : 0n));
    const hashes = addon.hashInt64(keys);
    return Uint32Array.from(keys, (_, row) => Number(((present[row] ? hashes[row] : nullHash) ?? 0n) % modulus));
  };
}
