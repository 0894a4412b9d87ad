/** Encodes columns in memory as ingestion encodes a log. */
import { PrerankError } from '../base/errors.js';
import type { DenseFeature, Feature, FeatureMap, IdFeature, IdMapping } from '../data/features.js';
import type { ModelProgram } from '../models/model.js';
import type { ArrayBatch } from '../runtime/native.js';
import { type IdRows, idRows } from './id-rows.js';
import { badValue, type ColumnBatch, isNull, type RawValue } from './raw-values.js';
import type { Run } from './run.js';

type EncodedIds = NonNullable<ArrayBatch['ids']>[number];

export class ColumnEncoder {
  readonly #features: ReadonlyMap<string, Feature>;
  readonly #mappings: ReadonlyMap<string, IdRows>;

  constructor({ addon, features }: Pick<Run, 'addon' | 'features'>) {
    this.#features = new Map(features.features.map((feature) => [feature.column, feature]));
    this.#mappings = new Map(
      features.features.flatMap((feature) =>
        feature.kind === 'dense'
          ? []
          : [[feature.column, idRows(addon, feature.name, tableOf(features, feature))] as const],
      ),
    );
  }

  /**
   * The inputs of a prediction program; those that no column feeds are empty.
   * @param offsets rows of request i: offsets[i] … offsets[i + 1]; needed when the program has inputs per request, which are
   * taken from each request's first row.
   * @throws PrerankError INVALID_ARGUMENT naming the feature for a value that it does not take; what `batch.column` throws.
   */
  encode({ dense, ids }: Pick<ModelProgram, 'dense' | 'ids'>, batch: ColumnBatch, offsets?: Uint32Array): ArrayBatch {
    const firstRows = offsets && requestColumns(batch, offsets);
    const source = (domain: 'request' | 'row'): ColumnBatch => (domain === 'request' ? (firstRows ?? batch) : batch);
    return {
      rows: batch.rows,
      dense: dense.map(({ domain, columns }) => this.#matrix(source(domain), columns)),
      ids: ids.map(({ domain, column }) => this.#ids(source(domain), column)),
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

  #ids(batch: ColumnBatch, column: string): EncodedIds {
    const rowsOf = this.#mappings.get(column);
    const feature = this.#feature(column);
    if (rowsOf === undefined || feature.kind === 'dense') {
      throw new PrerankError('INTERNAL', `the feature map has no ids ${column}`);
    }
    const values = batch.column(feature.source);
    if (feature.kind === 'categorical') return { ids: rowsOf(values) };
    const { elements: ids, offsets } = flatten(feature.name, values);
    const { weightsSource } = feature;
    if (weightsSource === undefined) return { ids: rowsOf(ids), offsets };
    return { ids: rowsOf(ids), offsets, weights: encodeWeights(feature.name, batch.column(weightsSource), offsets) };
  }
}

/** The first row of each request. */
function requestColumns(batch: ColumnBatch, offsets: Uint32Array): ColumnBatch {
  const first = [...offsets.subarray(0, -1)];
  return {
    rows: first.length,
    column(name) {
      const values = batch.column(name);
      return first.map((row) => values[row]);
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

interface Flattened {
  readonly elements: readonly RawValue[];
  /** [lists + 1]. */
  readonly offsets: Uint32Array;
}

/** Lists one after the other. A null list is empty; a null in a list is none that ingestion takes. */
function flatten(feature: string, lists: ArrayLike<RawValue>): Flattened {
  const elements: RawValue[] = [];
  const offsets = new Uint32Array(lists.length + 1);
  for (let row = 0; row < lists.length; row += 1) {
    const list = lists[row];
    if (!isNull(list)) {
      if (typeof list !== 'object') throw badValue(feature, 'lists', list);
      for (let i = 0; i < list.length; i += 1) {
        const element = list[i];
        if (isNull(element)) throw badValue(feature, 'lists without null', list);
        elements.push(element);
      }
    }
    offsets[row + 1] = elements.length;
  }
  return { elements, offsets };
}

/** @param ids offsets of the lists of ids. */
function encodeWeights(feature: string, lists: ArrayLike<RawValue>, ids: Uint32Array): Float32Array {
  const { elements, offsets } = flatten(feature, lists);
  const row = offsets.findIndex((offset, i) => offset !== ids[i]) - 1;
  if (row >= 0) {
    const count = (ids[row + 1] ?? 0) - (ids[row] ?? 0);
    throw badValue(feature, `as many weights as ids, here ${count}`, lists[row]);
  }
  return Float32Array.from(elements, (weight) => {
    if (typeof weight !== 'number' || !Number.isFinite(Math.fround(weight))) {
      throw badValue(feature, 'weights that are finite numbers', weight);
    }
    return weight;
  });
}

function numberOf(feature: string, value: RawValue): number {
  if (typeof value === 'number') return value;
  if (isNull(value)) return Number.NaN;
  if (typeof value === 'bigint' || typeof value === 'boolean') return Number(value);
  throw badValue(feature, 'numbers', value);
}

function encodeDense(
  { name, transforms, mean, std }: DenseFeature,
  column: ArrayLike<RawValue>,
  values: Float32Array,
  place: number,
  width: number,
): void {
  for (let row = 0; row < column.length; row += 1) {
    const raw = numberOf(name, column[row]);
    let value = raw;
    for (const step of transforms) {
      value = step === 'log1p' ? Math.sign(value) * Math.log1p(Math.abs(value)) : (value - mean) / std;
    }
    const encoded = Number.isNaN(raw) ? 0 : Math.fround(value);
    if (!Number.isFinite(encoded)) throw badValue(name, 'finite numbers', raw);
    values[row * width + place] = encoded;
  }
}
