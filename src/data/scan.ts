/**
 * A log cut into parts that native threads read: runs of whole Parquet row groups, or equal runs of rows of a staged
 * file. The cut depends on the files alone, never on threads.
 */
import type { LogPart } from '../runtime/native.js';
import { type Database, identifier, literal } from './duckdb.js';
import type { Log, ParquetFile, ParquetLog } from './log.js';
import { FILE_COLUMN, ROW_COLUMN } from './log-columns.js';
import type { Selection } from './selection.js';

/** Rows of a part of a long log, unless a row group is larger. Every part costs a query's warm-up. */
export const PART_ROWS = 262_144;
export const LEAST_PART_ROWS = 32_768;
/** Parts become smaller towards the end, to this share of what is left, so that threads end at about the same time. */
const SHARE_OF_REST = 1 / 6;

/** Rows that a part should have at least, when `rest` rows are still to come. Depends on nothing but the log. */
function partRows(rest: number): number {
  return Math.min(PART_ROWS, Math.max(LEAST_PART_ROWS, Math.ceil(rest * SHARE_OF_REST)));
}

export interface Scan {
  /** The row's file is a column of the queries, after the row. */
  readonly hasOriginColumn: boolean;
  /** Rows before the split's condition. */
  readonly rows: number;
  /** Every part, its queries selecting the expressions, then the row within its file, then its file. */
  parts(expressions: readonly string[]): LogPart[];
  /** SQL of a relation over all rows: the expressions as `c0`, …, ROW_COLUMN, FILE_COLUMN and POSITION_COLUMN. */
  relation(expressions: readonly string[]): string;
}

/** Position of a row in the whole log, from 0. */
export const POSITION_COLUMN = '__prerank_position';

/** Name of expression number `index` in a relation and in a staged file. */
export function expressionColumn(index: number): string {
  return `c${index}`;
}

const rowRange = (column: string, from: number, to: number): string => `${column} >= ${from} AND ${column} < ${to}`;

interface Run {
  readonly file: number;
  readonly from: number;
  readonly to: number;
}

/** Runs of whole row groups of one or more files: parts of PART_ROWS rows or more, smaller ones towards the end. */
export function cutRowGroups(files: readonly (readonly number[])[]): { readonly runs: Run[]; readonly rows: number }[] {
  const parts: { runs: Run[]; rows: number }[] = [];
  let rest = files.flat().reduce((total, rows) => total + rows, 0);
  let open: { runs: Run[]; rows: number } | undefined;
  let wanted = 0;
  for (const [file, groups] of files.entries()) {
    let from = 0;
    for (const rows of groups) {
      if (rows === 0) continue;
      if (open === undefined || open.rows >= wanted) {
        open = { runs: [], rows: 0 };
        parts.push(open);
        wanted = partRows(rest);
      }
      rest -= rows;
      const last = open.runs.at(-1);
      if (last?.file === file) open.runs[open.runs.length - 1] = { ...last, to: from + rows };
      else open.runs.push({ file, from, to: from + rows });
      open.rows += rows;
      from += rows;
    }
  }
  return parts;
}

/** Parquet files read where they are. */
export class ParquetScan implements Scan {
  readonly hasOriginColumn = false;

  private constructor(
    private readonly log: Log,
    private readonly parquet: ParquetLog,
    private readonly rowGroups: readonly (readonly number[])[],
    private readonly condition: string | undefined,
  ) {}

  static async open(log: Log, parquet: ParquetLog, condition: string | undefined): Promise<ParquetScan> {
    const rowGroups: number[][] = [];
    for (const { path } of parquet.files) rowGroups.push(await rowGroupsOf(log.database, path));
    await log.database.run(`CREATE OR REPLACE TEMP TABLE ${OFFSETS_TABLE} (file VARCHAR, first BIGINT)`);
    let first = 0;
    for (const [i, { path }] of parquet.files.entries()) {
      await log.database.run(`INSERT INTO ${OFFSETS_TABLE} VALUES (${literal(path)}, ${first})`);
      first += sum(rowGroups[i] ?? []);
    }
    return new ParquetScan(log, parquet, rowGroups, condition);
  }

  get rows(): number {
    return sum(this.rowGroups.map(sum));
  }

  parts(expressions: readonly string[]): LogPart[] {
    const select = [...expressions, ROW_COLUMN].join(', ');
    return cutRowGroups(this.rowGroups).map(({ runs, rows }) => ({
      rows,
      headRows: 0,
      queries: runs.flatMap(({ file, from, to }) => {
        const described = this.parquet.files[file];
        if (described === undefined) return [];
        const where = [rowRange(ROW_COLUMN, from, to), ...(this.condition === undefined ? [] : [this.condition])];
        const sql = `SELECT ${select} FROM (${this.fileQuery(described)}) WHERE ${where.join(' AND ')}`;
        return [{ sql, origin: described.path }];
      }),
    }));
  }

  /** One file with the columns and types of the whole log; what it lacks is null. */
  private fileQuery({ path, columns }: ParquetFile): string {
    const { hive } = this.parquet;
    const select = [...this.log.columns.values()].map(({ name, type }) => {
      const own = columns.get(name);
      if (own === type) return identifier(name);
      if (own === undefined && !(hive && hivePathHas(path, name)))
        return `CAST(NULL AS ${type}) AS ${identifier(name)}`;
      return `CAST(${identifier(name)} AS ${type}) AS ${identifier(name)}`;
    });
    const options = hive ? 'hive_partitioning = true, hive_types_autocast = false' : 'hive_partitioning = false';
    return `SELECT ${[...select, `file_row_number AS ${ROW_COLUMN}`].join(', ')} FROM read_parquet(${literal(path)}, file_row_number = true, ${options})`;
  }

  relation(expressions: readonly string[]): string {
    const select = expressions.map((sql, i) => `${sql} AS ${expressionColumn(i)}`);
    const where = this.condition === undefined ? '' : ` WHERE ${this.condition}`;
    return (
      `SELECT ${[...select, ROW_COLUMN, FILE_COLUMN].join(', ')}, ${OFFSETS_TABLE}.first + ${ROW_COLUMN} AS ${POSITION_COLUMN} ` +
      `FROM ${this.log.relation} JOIN ${OFFSETS_TABLE} ON ${FILE_COLUMN} = ${OFFSETS_TABLE}.file${where}`
    );
  }
}

const OFFSETS_TABLE = 'prerank_offsets';

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

function hivePathHas(path: string, key: string): boolean {
  return path.split(/[/\\]/).some((folder) => folder.startsWith(`${key}=`));
}

async function rowGroupsOf(database: Database, path: string): Promise<number[]> {
  const rows = await database.rows(
    `SELECT row_group_id, any_value(row_group_num_rows) FROM parquet_metadata(${literal(path)}) GROUP BY 1 ORDER BY 1`,
  );
  return rows.map(([, count]) => Number(count));
}

/** A staged file: the expressions are its columns, and the rows are those of the split in the order of the dataset. */
export class StagedScan implements Scan {
  readonly hasOriginColumn = true;
  private readonly selected: ReadonlyMap<string, string>;

  constructor(
    readonly path: string,
    readonly rows: number,
    selection: Selection,
  ) {
    this.selected = new Map(selection.expressions.map((sql, i) => [sql, expressionColumn(i)]));
  }

  static async open(database: Database, path: string, selection: Selection): Promise<StagedScan> {
    const [[rows] = []] = await database.rows(`SELECT num_rows FROM parquet_file_metadata(${literal(path)})`);
    return new StagedScan(path, Number(rows ?? 0), selection);
  }

  private columnOf(expression: string): string {
    const column = this.selected.get(expression);
    if (column === undefined) throw new Error(`${expression} is not in the staged file`);
    return column;
  }

  private get source(): string {
    return `read_parquet(${literal(this.path)}, file_row_number = true)`;
  }

  parts(expressions: readonly string[]): LogPart[] {
    const select = [...expressions.map((sql) => this.columnOf(sql)), ROW_COLUMN, FILE_COLUMN].join(', ');
    return Array.from({ length: Math.ceil(this.rows / PART_ROWS) }, (_, i) => {
      const from = i * PART_ROWS;
      const to = Math.min(this.rows, from + PART_ROWS);
      const sql = `SELECT ${select} FROM ${this.source} WHERE ${rowRange('file_row_number', from, to)}`;
      return { rows: to - from, headRows: 0, queries: [{ sql, origin: '' }] };
    });
  }

  relation(expressions: readonly string[]): string {
    const select = expressions.map((sql, i) => `${this.columnOf(sql)} AS ${expressionColumn(i)}`);
    return `SELECT ${[...select, ROW_COLUMN, FILE_COLUMN].join(', ')}, file_row_number AS ${POSITION_COLUMN} FROM ${this.source}`;
  }
}
