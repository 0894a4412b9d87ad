/** Values as a raw log holds them, given in memory. */
import { PrerankError } from '../base/errors.js';

export type RawId = number | bigint | string | boolean;

/** NaN, null and undefined are null. */
export type RawValue = RawId | null | undefined | ArrayLike<number | bigint | string>;

/** Columns by their names in the raw log, one value a row. */
export interface ColumnBatch {
  readonly rows: number;
  /** Typed arrays, or arrays of anything that the feature of the column takes. */
  column(name: string): ArrayLike<RawValue>;
}

/** A row by the names of the raw log's columns. */
export type RawRow = Readonly<Record<string, RawValue>>;

/** @throws PrerankError COLUMN_MISSING, from `column`, for a name that no row has. */
export function rowColumns(rows: readonly RawRow[]): ColumnBatch {
  return {
    rows: rows.length,
    column(name) {
      if (rows.length > 0 && !rows.some((row) => name in row)) {
        const known = Object.keys(rows[0] ?? {}).join(', ');
        const what = `the rows lack ${name}: they have ${known}. Where it is not known give null`;
        throw new PrerankError('COLUMN_MISSING', what, { column: name });
      }
      return rows.map((row) => row[name]);
    },
  };
}

export function isNull(value: RawValue): value is null | undefined {
  return value === null || value === undefined || (typeof value === 'number' && Number.isNaN(value));
}

/** Says what a feature takes. */
export function badValue(feature: string, takes: string, value: RawValue): PrerankError {
  const given = typeof value === 'object' ? 'a list' : typeof value === 'string' ? `"${value}"` : String(value);
  return new PrerankError('INVALID_ARGUMENT', `feature ${feature} takes ${takes}, got ${given}`, { path: feature });
}
