/** Scores rows in memory with a run's model: no log, no encoded files. */
import { PrerankError } from '../base/errors.js';
import type { DenseFeature, Feature, FeatureMap, IdFeature, IdMapping } from '../data/features.js';
import type { ArrayBatch, NativeProgram } from '../runtime/native.js';
import { predictionOf, readPredictions } from './predictor.js';
import type { Run } from './run.js';

/** Columns by their names in the raw log, one number a row; NaN is null. */
export interface ColumnBatch {
  readonly rows: number;
  column(name: string): ArrayLike<number>;
}

const CAPACITY = 4096;

/** Raw integers to table rows. */
type RowsOf = (values: ArrayLike<number>) => Uint32Array;

/**
 * Encodes columns as ingestion does and runs the prediction program on them. Dense and integer categorical features only:
 * strings and lists have no place in columns of numbers.
 */
export class ColumnScorer {
  readonly #run: Run;
  readonly #program: NativeProgram;
  readonly #features: ReadonlyMap<string, Feature>;
  readonly #mappings: ReadonlyMap<string, RowsOf>;

  /** @throws PrerankError UNSUPPORTED naming a feature that is neither a number nor an integer id. */
  constructor(run: Run) {
    this.#run = run;
    const { plan } = run.model.prediction;
    this.#program = new run.addon.Program(plan, run.store, { threads: run.threads, capacity: CAPACITY, seed: 0 });
    this.#features = new Map(run.features.features.map((feature) => [feature.column, feature]));
    this.#mappings = new Map(
      run.features.features.flatMap((feature) =>
        feature.kind === 'dense' ? [] : [[feature.column, this.#mapping(feature)] as const],
      ),
    );
  }

  /** Predictions by task, one a row, as `predict` gives them for a log with these columns. */
  async score(batch: ColumnBatch): Promise<ReadonlyMap<string, Float64Array>> {
    const { plan, dense, ids } = this.#run.model.prediction;
    const matrices = dense.map(({ columns }) => this.#matrix(batch, columns));
    const rows = ids.map(({ column }) => this.#ids(batch, column));
    const outputs = plan.outputs.map(() => new Float32Array(batch.rows));
    for (let from = 0; from < batch.rows; from += CAPACITY) {
      const to = Math.min(batch.rows, from + CAPACITY);
      const slice: ArrayBatch = {
        rows: to - from,
        dense: matrices.map(({ width, values }) => values.subarray(from * width, to * width)),
        ids: rows.map((values) => ({ ids: values.subarray(from, to) })),
      };
      const predicted = await this.#program.predict(slice);
      for (const [i, output] of outputs.entries()) output.set(predicted[i] ?? [], from);
    }
    return new Map(
      this.#run.model.tasks.flatMap((task) => {
        const output = outputs[plan.outputs.findIndex(({ name }) => name === task.name)];
        return output === undefined ? [] : [[task.name, readPredictions(predictionOf(task, output))] as const];
      }),
    );
  }

  #feature(column: string): Feature {
    const feature = this.#features.get(column);
    if (feature === undefined) throw new PrerankError('INTERNAL', `the feature map has no column ${column}`);
    return feature;
  }

  /** Encoded dense features side by side, [rows, columns]. */
  #matrix(batch: ColumnBatch, columns: readonly string[]): { width: number; values: Float32Array } {
    const width = columns.length;
    const values = new Float32Array(batch.rows * width);
    for (const [place, column] of columns.entries()) {
      const feature = this.#feature(column);
      if (feature.kind === 'dense') encodeDense(feature, batch.column(feature.source), values, place, width);
    }
    return { width, values };
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

function hashedRows({ addon }: Run, buckets: number): RowsOf {
  const modulus = BigInt(buckets);
  const nullHash = addon.hashUtf8(new Uint8Array(0), new Int32Array(2))[0] ?? 0n;
  return (column) => {
    const present = Array.from(column, (value) => !Number.isNaN(value));
    const keys = BigInt64Array.from(column, (value, row) => (present[row] ? BigInt(value) : 0n));
    const hashes = addon.hashInt64(keys);
    return Uint32Array.from(keys, (_, row) => Number(((present[row] ? hashes[row] : nullHash) ?? 0n) % modulus));
  };
}
