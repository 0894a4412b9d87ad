/** A raw log opened for reading: one relation over all its files, with typed columns. */
import { PrerankError } from '../base/errors.js';
import { didYouMean, listNames } from '../base/suggest.js';
import type { SourceConfig } from '../config/types.js';
import { importArrow } from './arrow-import.js';
import { Database, dataError, identifier, literal } from './duckdb.js';
import { type FileKind, type SourceFile, sourceFiles } from './sources.js';

/** What a column's values can be used as. */
export type ValueClass = 'int' | 'float' | 'bool' | 'string' | 'time' | 'other';

export interface LogColumn {
  readonly name: string;
  /** DuckDB's type name, for messages. */
  readonly type: string;
  readonly valueClass: ValueClass;
  readonly list: boolean;
}

/** Columns added to the log's own: where a row came from. */
export const FILE_COLUMN = '__prerank_file';
/** Row within its file for Parquet and Arrow, within all CSV or all JSON files otherwise; from 0. */
export const ROW_COLUMN = '__prerank_row';

const READERS: Record<Exclude<FileKind, 'arrow'>, string> = {
  parquet: 'read_parquet',
  csv: 'read_csv',
  json: 'read_json',
};

function classify(type: string): Pick<LogColumn, 'valueClass' | 'list'> {
  const element = /^(.*)\[\d*\]$/s.exec(type)?.[1];
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

function readerQuery(kind: Exclude<FileKind, 'arrow'>, paths: readonly string[]): string {
  const list = `[${paths.map(literal).join(', ')}]`;
  const common = `union_by_name = true, filename = ${literal(FILE_COLUMN)}`;
  if (kind === 'parquet') {
    return `SELECT * EXCLUDE (file_row_number), file_row_number AS ${ROW_COLUMN} FROM read_parquet(${list}, ${common}, file_row_number = true)`;
  }
  return `SELECT *, row_number() OVER () - 1 AS ${ROW_COLUMN} FROM ${READERS[kind]}(${list}, ${common})`;
}

/** What to call a source in messages. */
export function sourceName(source: SourceConfig): string {
  if (!('length' in source)) return 'sql';
  return source.length === 1 ? (source[0] ?? '') : `${source[0]} and ${source.length - 1} more`;
}

export class Log {
  private constructor(
    readonly database: Database,
    readonly name: string,
    readonly files: readonly SourceFile[],
    readonly columns: ReadonlyMap<string, LogColumn>,
  ) {}

  /** The relation to select from. */
  readonly relation = 'prerank_log';

  /**
   * @throws PrerankError DATA_NOT_FOUND, DATA_EMPTY (a file of 0 bytes, or no rows at all), DATA_INVALID (unreadable).
   */
  static async open(source: SourceConfig): Promise<Log> {
    const directory = 'length' in source ? undefined : source.directory;
    const database = await Database.open(directory);
    const name = sourceName(source);
    try {
      const files = await sourceFiles(database, source);
      const query = 'length' in source ? await filesQuery(database, files) : sqlQuery(source.sql);
      await database.run(`CREATE TEMP VIEW prerank_log AS ${query}`);
      const columns = (await database.describe('SELECT * FROM prerank_log'))
        .filter((column) => column.name !== FILE_COLUMN && column.name !== ROW_COLUMN)
        .map((column): [string, LogColumn] => [column.name, { ...column, ...classify(column.type) }]);
      const rows = await database.rows('SELECT 1 FROM prerank_log LIMIT 1');
      if (rows.length === 0) {
        throw new PrerankError('DATA_EMPTY', `${name}: no rows. Give a log with at least one row`, { file: name });
      }
      return new Log(database, name, files, new Map(columns));
    } catch (error) {
      database.close();
      throw dataError(error, name);
    }
  }

  has(column: string): boolean {
    return this.columns.has(column);
  }

  /** The column, or PrerankError COLUMN_MISSING that lists what there is. `path`: where the configuration names it. */
  column(name: string, path: string): LogColumn {
    const column = this.columns.get(name);
    if (column) return column;
    const names = [...this.columns.keys()];
    throw new PrerankError(
      'COLUMN_MISSING',
      `${this.name}: no column "${name}" (${path}).${didYouMean(name, names)} Columns: ${listNames(names, 40)}`,
      { file: this.name, column: name, path },
    );
  }

  close(): void {
    this.database.close();
  }
}

async function filesQuery(database: Database, files: readonly SourceFile[]): Promise<string> {
  const queries: string[] = [];
  for (const kind of ['parquet', 'csv', 'json'] as const) {
    const paths = files.filter((file) => file.kind === kind).map((file) => file.path);
    for (const path of paths) await checkFile(database, kind, path);
    if (paths.length > 0) queries.push(readerQuery(kind, paths));
  }
  const arrow = files.filter((file) => file.kind === 'arrow').map((file) => file.path);
  if (arrow.length > 0) {
    await importArrow(database, arrow, { table: 'prerank_arrow', file: FILE_COLUMN, row: ROW_COLUMN });
    queries.push('SELECT * FROM prerank_arrow');
  }
  return queries.join(' UNION ALL BY NAME ');
}

/** Opens one file by itself, so that an error names it. */
async function checkFile(database: Database, kind: Exclude<FileKind, 'arrow'>, path: string): Promise<void> {
  try {
    await database.describe(`SELECT * FROM ${READERS[kind]}(${literal(path)})`);
  } catch (error) {
    throw dataError(error, path);
  }
}

function sqlQuery(sql: string): string {
  const query = sql.trim().replace(/;\s*$/, '');
  return `SELECT *, 'sql' AS ${FILE_COLUMN}, row_number() OVER () - 1 AS ${ROW_COLUMN} FROM (${query})`;
}

/** A column as an SQL identifier. */
export function columnSql(column: LogColumn): string {
  return identifier(column.name);
}

/** PrerankError COLUMN_TYPE unless the column's values are of one of the classes. */
export function requireClass(
  log: Log,
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
