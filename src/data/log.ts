/** A raw log opened for reading: one relation over all its files, with typed columns. */
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PrerankError } from '../base/errors.js';
import { didYouMean, listNames } from '../base/suggest.js';
import type { SourceConfig, SqlSource } from '../config/types.js';
import { loadAddon } from '../runtime/load.js';
import type { StageSpec } from '../runtime/native.js';
import { awaitCancellable } from './cancel.js';
import {
  type ColumnDescription,
  Database,
  type DatabaseLimits,
  dataError,
  identifier,
  limitStatements,
  literal,
  literalList,
} from './duckdb.js';
import { duckdbLibrary } from './duckdb-library.js';
import { classify, FILE_COLUMN, type LogColumn, ROW_COLUMN } from './log-columns.js';
import { type FileKind, type SourceFile, sourceFiles } from './sources.js';

const READERS: Record<Exclude<FileKind, 'arrow'>, string> = {
  parquet: 'read_parquet',
  csv: 'read_csv',
  json: 'read_json',
};

/** A Parquet file as it is, without what hive partitions or other files add. */
export interface ParquetFile {
  readonly path: string;
  /** Type of each column, by name. */
  readonly columns: ReadonlyMap<string, string>;
}

/** Parquet files that can be read piece by piece. */
export interface ParquetLog {
  readonly files: readonly ParquetFile[];
  /** Folders named key=value give columns. */
  readonly hive: boolean;
}

/** What to call a source in messages. */
export function sourceName(source: SourceConfig): string {
  if (!('length' in source)) return 'sql';
  return source.length === 1 ? (source[0] ?? '') : `${source[0]} and ${source.length - 1} more`;
}

/** Keys of the folders named key=value above a file, as DuckDB sees them. */
function hiveKeys(path: string): string {
  const folders = path.split(/[/\\]/).slice(0, -1);
  return folders.flatMap((folder) => /^([^=]+)=/.exec(folder)?.[1] ?? []).join('/');
}

/** Whether all files lie in folders named key=value with the same keys. */
function isHive(paths: readonly string[]): boolean {
  const [first = '', ...rest] = paths.map(hiveKeys);
  return first !== '' && rest.every((keys) => keys === first);
}

function readerQuery(kind: Exclude<FileKind, 'arrow'>, paths: readonly string[]): string {
  const common = `union_by_name = true, filename = ${literal(FILE_COLUMN)}, hive_partitioning = ${isHive(paths)}`;
  const list = literalList(paths);
  if (kind === 'parquet') {
    return `SELECT * EXCLUDE (file_row_number), file_row_number AS ${ROW_COLUMN} FROM read_parquet(${list}, ${common}, file_row_number = true)`;
  }
  return `SELECT *, row_number() OVER () - 1 AS ${ROW_COLUMN} FROM ${READERS[kind]}(${list}, ${common})`;
}

/** What an SQL source sees of the files of a table: their columns, and `filename` unless they have one. */
async function tableQuery(database: Database, filesQuery: string): Promise<string> {
  const columns = await database.describe(filesQuery);
  const named = columns.some(({ name }) => name.toLowerCase() === 'filename');
  return `SELECT * EXCLUDE (${FILE_COLUMN}, ${ROW_COLUMN})${named ? '' : `, ${FILE_COLUMN} AS filename`} FROM (${filesQuery})`;
}

function sqlQuery(sql: string): string {
  const query = sql.trim().replace(/;\s*$/, '');
  return `SELECT *, 'sql' AS ${FILE_COLUMN}, row_number() OVER () - 1 AS ${ROW_COLUMN} FROM (${query})`;
}

export interface LogOptions {
  /** Memory bound, and the folder for temporary files; default: DuckDB's, and one of the system that close() removes. */
  readonly limits?: DatabaseLimits;
  /** Aborting ends staging with CANCELLED. */
  readonly signal?: AbortSignal;
}

export class Log {
  private constructor(
    readonly database: Database,
    readonly name: string,
    readonly files: readonly SourceFile[],
    /** Those, and files that an SQL source names as tables. */
    readonly read: readonly SourceFile[],
    readonly columns: ReadonlyMap<string, LogColumn>,
    /** Set when all files are Parquet. */
    readonly parquet: ParquetLog | undefined,
    private readonly temporary: string | undefined,
  ) {}

  /** The relation to select from. */
  readonly relation = 'prerank_log';

  /**
   * @throws PrerankError DATA_NOT_FOUND, DATA_EMPTY (a file of 0 bytes, or no rows at all), DATA_INVALID (unreadable).
   */
  static async open(source: SourceConfig, options: LogOptions = {}): Promise<Log> {
    const database = await Database.open('length' in source ? undefined : source.directory, options.limits);
    const name = sourceName(source);
    const opener = new LogOpener(database, options);
    try {
      const files = await sourceFiles(database, source);
      const query = 'length' in source ? await opener.filesQuery(files) : sqlQuery(source.sql);
      if (!('length' in source)) await opener.createTables(source.files ?? {});
      await database.run(`CREATE TEMP VIEW prerank_log AS ${query}`);
      const columns = (await database.describe('SELECT * FROM prerank_log'))
        .filter((column) => column.name !== FILE_COLUMN && column.name !== ROW_COLUMN)
        .map((column): [string, LogColumn] => [column.name, { ...column, ...classify(column.type) }]);
      const rows = await database.rows('SELECT 1 FROM prerank_log LIMIT 1');
      if (rows.length === 0) {
        throw new PrerankError('DATA_EMPTY', `${name}: no rows. Give a log with at least one row`, { file: name });
      }
      return new Log(
        database,
        name,
        files,
        [...files, ...opener.tableFiles],
        new Map(columns),
        opener.parquetLog(files),
        opener.temporary,
      );
    } catch (error) {
      database.close();
      opener.close();
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
    if (this.temporary !== undefined) rmSync(this.temporary, { recursive: true, force: true });
  }
}

/** Makes the one query over files of several kinds. */
class LogOpener {
  /** A folder of its own, to be removed with the log. */
  temporary: string | undefined;
  readonly tableFiles: SourceFile[] = [];
  private readonly parquetFiles: ParquetFile[] = [];
  private staged = 0;

  constructor(
    private readonly database: Database,
    private readonly options: LogOptions,
  ) {}

  async filesQuery(files: readonly SourceFile[]): Promise<string> {
    const queries: string[] = [];
    for (const kind of ['parquet', 'csv', 'json'] as const) {
      const paths = files.filter((file) => file.kind === kind).map((file) => file.path);
      for (const path of paths) await this.checkFile(kind, path);
      if (paths.length > 0) queries.push(readerQuery(kind, paths));
    }
    const arrow = files.filter((file) => file.kind === 'arrow').map((file) => file.path);
    if (arrow.length > 0) queries.push(`SELECT * FROM read_parquet(${literal(await this.stageArrow(arrow))})`);
    return queries.join(' UNION ALL BY NAME ');
  }

  /** The tables that an SQL source names. */
  async createTables(tables: NonNullable<SqlSource['files']>): Promise<void> {
    for (const [name, patterns] of Object.entries(tables)) {
      const files = await sourceFiles(this.database, patterns);
      this.tableFiles.push(...files);
      const query = await this.filesQuery(files);
      await this.database.run(`CREATE TEMP VIEW ${identifier(name)} AS ${await tableQuery(this.database, query)}`);
    }
  }

  parquetLog(files: readonly SourceFile[]): ParquetLog | undefined {
    if (files.length === 0 || files.some(({ kind }) => kind !== 'parquet')) return undefined;
    return { files: this.parquetFiles, hive: isHive(files.map(({ path }) => path)) };
  }

  /** Opens one file by itself, so that an error names it. */
  private async checkFile(kind: Exclude<FileKind, 'arrow'>, path: string): Promise<void> {
    let columns: ColumnDescription[];
    try {
      columns = await this.database.describe(
        `SELECT * FROM ${READERS[kind]}(${literal(path)}, hive_partitioning = false)`,
      );
    } catch (error) {
      throw dataError(error, path);
    }
    if (kind === 'parquet') {
      this.parquetFiles.push({ path, columns: new Map(columns.map(({ name, type }) => [name, type])) });
    }
  }

  /** Arrow files as one Parquet file, decoded natively; every length and offset in them is checked. */
  private async stageArrow(paths: readonly string[]): Promise<string> {
    const addon = loadAddon();
    const { limits, signal } = this.options;
    const folder = limits?.temporary ?? this.temporary ?? (await mkdtemp(join(tmpdir(), 'prerank-arrow-')));
    if (limits === undefined) this.temporary = folder;
    const output = join(folder, `arrow-${this.staged++}.parquet`);
    const memoryBytes = limits?.memoryBytes ?? DEFAULT_MEMORY_BYTES;
    const spec: StageSpec = {
      library: duckdbLibrary(),
      setup: limitStatements({ memoryBytes, temporary: folder }),
      paths,
      output,
      fileColumn: FILE_COLUMN,
      rowColumn: ROW_COLUMN,
      memoryBytes,
    };
    await awaitCancellable(addon, signal, (cancellation) => addon.stageArrow(spec, cancellation));
    return output;
  }

  close(): void {
    if (this.temporary !== undefined) rmSync(this.temporary, { recursive: true, force: true });
  }
}

/** Bound of a job's memory when none is given. */
export const DEFAULT_MEMORY_BYTES = 2 ** 31;
