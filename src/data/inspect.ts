/** Schema and statistics of a log file. */
import { dataError } from './duckdb.js';
import { Log } from './log.js';
import { columnSql, type LogColumn } from './log-columns.js';

export interface InspectedColumn {
  readonly name: string;
  /** DuckDB's type name. */
  readonly type: string;
  readonly nulls: number;
  /** Approximate number of distinct values (elements of lists). */
  readonly distinct: number;
  /** Extremes as text; null for lists and when every value is null. */
  readonly min: string | null;
  readonly max: string | null;
  /** Numbers and booleans only. */
  readonly mean: number | null;
  /** Lists only: median and 99th percentile of the length. */
  readonly lengthP50: number | null;
  readonly lengthP99: number | null;
}

export interface InspectedFile {
  readonly path: string;
  readonly rows: number;
  readonly columns: readonly InspectedColumn[];
}

const NUMERIC: readonly string[] = ['int', 'float', 'bool'];
const FIELDS = 7;

/** Expressions of one column, in the order of `readColumn`. */
function columnStatistics(column: LogColumn): string[] {
  const sql = columnSql(column);
  const nulls = `count(*) - count(${sql})`;
  if (column.list) {
    const length = (q: number): string => `quantile_disc(len(${sql}), ${q})`;
    return [nulls, `len(list_distinct(flatten(list(${sql}))))`, 'NULL', 'NULL', 'NULL', length(0.5), length(0.99)];
  }
  const mean = NUMERIC.includes(column.valueClass)
    ? `avg(CAST(${sql} AS DOUBLE)) FILTER (isfinite(CAST(${sql} AS DOUBLE)))`
    : 'NULL';
  const text = (f: string): string => `CAST(${f}(${sql}) AS VARCHAR)`;
  return [nulls, `approx_count_distinct(${sql})`, text('min'), text('max'), mean, 'NULL', 'NULL'];
}

const numberOrNull = (value: unknown): number | null => (value === null || value === undefined ? null : Number(value));
const textOrNull = (value: unknown): string | null => (value === null || value === undefined ? null : String(value));

function readColumn({ name, type }: LogColumn, values: readonly unknown[]): InspectedColumn {
  const [nulls, distinct, min, max, mean, p50, p99] = values;
  return {
    name,
    type,
    nulls: Number(nulls),
    distinct: Number(distinct ?? 0),
    min: textOrNull(min),
    max: textOrNull(max),
    mean: numberOrNull(mean),
    lengthP50: numberOrNull(p50),
    lengthP99: numberOrNull(p99),
  };
}

/**
 * Schema, row count and statistics of one file (or glob).
 *
 * @throws PrerankError DATA_NOT_FOUND, DATA_EMPTY, DATA_INVALID.
 */
export async function inspectFile(path: string): Promise<InspectedFile> {
  const log = await Log.open([path]);
  try {
    const columns = [...log.columns.values()];
    const select = ['count(*)', ...columns.flatMap(columnStatistics)];
    const [row = []] = await log.database.rows(`SELECT ${select.join(', ')} FROM ${log.relation}`);
    return {
      path,
      rows: Number(row[0]),
      columns: columns.map((column, i) => readColumn(column, row.slice(1 + i * FIELDS, 1 + (i + 1) * FIELDS))),
    };
  } catch (error) {
    throw dataError(error, path);
  } finally {
    log.close();
  }
}
