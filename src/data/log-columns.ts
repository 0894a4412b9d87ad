/** The columns of a log, and what their values can be used as. */
import { PrerankError } from '../base/errors.js';
import { identifier } from './duckdb.js';

/** What a column's values can be used as. */
export type ValueClass = 'int' | 'float' | 'bool' | 'string' | 'time' | 'other';

export interface LogColumn {
  readonly name: string;
  /** DuckDB's type name. */
  readonly type: string;
  readonly valueClass: ValueClass;
  readonly list: boolean;
}

/** Columns added to the log's own: where a row came from. */
export const FILE_COLUMN = '__prerank_file';
/** Row within its file for Parquet and Arrow, within all CSV or all JSON files otherwise; from 0. */
export const ROW_COLUMN = '__prerank_row';

/** Type of a list's elements, or undefined. */
export function elementType(type: string): string | undefined {
  return /^(.*)\[\d*\]$/s.exec(type)?.[1];
}

/** The class of a type by DuckDB's name of it. */
export function classify(type: string): Pick<LogColumn, 'valueClass' | 'list'> {
  const element = elementType(type);
  if (element !== undefined) {
    const inner = classify(element);
    return { valueClass: inner.list ? 'other' : inner.valueClass, list: true };
  }
  const valueClass = ((): ValueClass => {
    if (/^U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$/.test(type)) return 'int';
    if (/^(FLOAT|DOUBLE|DECIMAL\(.*\))$/.test(type)) return 'float';
    if (type === 'BOOLEAN') return 'bool';
    if (type === 'VARCHAR' || type === 'UUID' || type.startsWith('ENUM(')) return 'string';
    return /^(DATE|TIME|TIMESTAMP)/.test(type) ? 'time' : 'other';
  })();
  return { valueClass, list: false };
}

/** A column as an SQL identifier. */
export function columnSql(column: LogColumn): string {
  return identifier(column.name);
}

/** PrerankError COLUMN_TYPE unless the column's values are of one of the classes. */
export function requireClass(
  log: { readonly name: string },
  column: LogColumn,
  expected: { readonly classes: readonly ValueClass[]; readonly list: boolean; readonly what: string },
  path: string,
): void {
  if (column.list === expected.list && expected.classes.includes(column.valueClass)) return;
  throw new PrerankError(
    'COLUMN_TYPE',
    `${log.name}: column "${column.name}" is ${column.type}, but ${path} needs ${expected.what}. Cast it with data.train: { sql: "SELECT …" }, or change the configuration`,
    { file: log.name, column: column.name, path },
  );
}
