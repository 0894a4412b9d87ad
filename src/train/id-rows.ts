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
  return (column) => Uint32Array.from(column, (value) => (isNull(value) ? 0 : (rows.get(keyOf(feature, value)) ?? 0)));
}

function hashedIntegers(addon: Addon, feature: string, buckets: number): IdRows {
  const nullRow = nullBucket(addon, buckets);
  const modulus = BigInt(buckets);
  return (column) => {
    const keys = BigInt64Array.from(column, (value) => (isNull(value) ? 0n : BigInt(integer(feature, value))));
    const hashes = addon.hashInt64(keys);
    return Uint32Array.from(column, (value, i) => (isNull(value) ? nullRow : Number((hashes[i] ?? 0n) % modulus)));
  };
}

function hashedTexts(addon: Addon, feature: string, buckets: number): IdRows {
  const nullRow = nullBucket(addon, buckets);
  const modulus = BigInt(buckets);
  const encoder = new TextEncoder();
  return (column) => {
    const texts = Array.from(column, (value) => encoder.encode(isNull(value) ? '' : text(feature, value)));
    const offsets = new Int32Array(texts.length + 1);
    for (const [i, { length }] of texts.entries()) offsets[i + 1] = (offsets[i] ?? 0) + length;
    const bytes = new Uint8Array(offsets[texts.length] ?? 0);
    for (const [i, part] of texts.entries()) bytes.set(part, offsets[i]);
    const hashes = addon.hashUtf8(bytes, offsets);
    return Uint32Array.from(column, (value, i) => (isNull(value) ? nullRow : Number((hashes[i] ?? 0n) % modulus)));
  };
}

/** Null is hashed as the empty string. */
function nullBucket(addon: Addon, buckets: number): number {
  return Number((addon.hashUtf8(new Uint8Array(0), new Int32Array(2))[0] ?? 0n) % BigInt(buckets));
}
