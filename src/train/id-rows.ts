/** From raw ids in memory to rows of their table, as ingestion maps those of a log. */
import type { IdMapping } from '../data/features.js';
import type { Addon } from '../runtime/native.js';
import { badValue, isNull, type RawId, type RawValue } from './raw-values.js';

/** Rows of ids, and of nulls. */
export type IdRows = (values: ArrayLike<RawValue>) => Uint32Array;

/** @param feature its name, for errors. The rows throw PrerankError INVALID_ARGUMENT for values of another type. */
export function idRows(addon: Addon, feature: string, mapping: IdMapping): IdRows {
  if (mapping.kind === 'vocabulary') return vocabularyRows(feature, mapping);
  return mapping.valueType === 'int'
    ? hashedIntegers(addon, feature, mapping.buckets)
    : hashedTexts(addon, feature, mapping.buckets);
}

/** Integers beyond 2⁵³ as bigints, the others as numbers. */
function integer(feature: string, value: RawValue): number | bigint {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  if (typeof value !== 'bigint') throw badValue(feature, 'integers', value);
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** Booleans are strings to a table. */
function text(feature: string, value: RawValue): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  throw badValue(feature, 'strings', value);
}

/** Row 0: unknown, too rare, null. */
function vocabularyRows(
  feature: string,
  { valueType, values }: Extract<IdMapping, { readonly kind: 'vocabulary' }>,
): IdRows {
  const keyOf = valueType === 'int' ? integer : text;
  const known = valueType === 'int' ? values.map((value) => integer(feature, BigInt(value))) : values;
  const rows = new Map<RawId, number>(known.map((key, i) => [key, i + 1]));
  return (column) => each(column, (value) => (isNull(value) ? 0 : (rows.get(keyOf(feature, value)) ?? 0)));
}

function hashedIntegers(addon: Addon, feature: string, buckets: number): IdRows {
  const nullRow = nullBucket(addon, buckets);
  return (column) => {
    const keys = new BigInt64Array(column.length);
    const halves = new Int32Array(keys.buffer);
    for (let i = 0; i < column.length; i += 1) {
      const value = column[i];
      if (isNull(value)) continue;
      const key = integer(feature, value);
      if (typeof key === 'bigint') {
        keys[i] = key;
      } else {
        // Without bigints, which are objects.
        halves[2 * i] = key;
        halves[2 * i + 1] = Math.floor(key / 2 ** 32);
      }
    }
    return bucketsOf(addon.hashInt64(keys), column, buckets, nullRow);
  };
}

function hashedTexts(addon: Addon, feature: string, buckets: number): IdRows {
  const nullRow = nullBucket(addon, buckets);
  const encoder = new TextEncoder();
  return (column) => {
    const texts = Array.from(column, (value) => encoder.encode(isNull(value) ? '' : text(feature, value)));
    const offsets = new Int32Array(texts.length + 1);
    for (const [i, { length }] of texts.entries()) offsets[i + 1] = (offsets[i] ?? 0) + length;
    const bytes = new Uint8Array(offsets[texts.length] ?? 0);
    for (const [i, part] of texts.entries()) bytes.set(part, offsets[i]);
    return bucketsOf(addon.hashUtf8(bytes, offsets), column, buckets, nullRow);
  };
}

/** Null is hashed as the empty string. */
function nullBucket(addon: Addon, buckets: number): number {
  return Number((addon.hashUtf8(new Uint8Array(0), new Int32Array(2))[0] ?? 0n) % BigInt(buckets));
}

/** hash mod buckets, from halves of the hashes: 16 bits at a time stay exact below 2⁵³. */
function bucketsOf(hashes: BigUint64Array, column: ArrayLike<RawValue>, buckets: number, nullRow: number): Uint32Array {
  const halves = new Uint32Array(hashes.buffer, hashes.byteOffset, 2 * hashes.length);
  return each(column, (value, i) => {
    if (isNull(value)) return nullRow;
    const low = halves[2 * i] ?? 0;
    let rest = (halves[2 * i + 1] ?? 0) % buckets;
    rest = (rest * 2 ** 16 + (low >>> 16)) % buckets;
    return (rest * 2 ** 16 + (low & 0xffff)) % buckets;
  });
}

function each(column: ArrayLike<RawValue>, rowOf: (value: RawValue, i: number) => number): Uint32Array {
  const rows = new Uint32Array(column.length);
  for (let i = 0; i < column.length; i += 1) rows[i] = rowOf(column[i], i);
  return rows;
}
