/** Logs written to a temporary Parquet file first: those that are not Parquet, and those in another order than wanted. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Database, literal } from './duckdb.js';
import type { Log } from './log.js';
import { FILE_COLUMN, ROW_COLUMN } from './log-columns.js';
import { expressionColumn, POSITION_COLUMN, type Scan, StagedScan } from './scan.js';
import type { Selection } from './selection.js';

/** Half of a part, so that a part's rows begin where a row group does. */
const ROW_GROUP_ROWS = 131_072;

function copy(query: string, path: string): string {
  return `COPY (${query}) TO ${literal(path)} (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE ${ROW_GROUP_ROWS})`;
}

function selectList(selection: Selection, from: string): string {
  const columns = selection.expressions.map((_, i) => `${from}${expressionColumn(i)}`);
  return [...columns, `${from}${ROW_COLUMN}`, `${from}${FILE_COLUMN}`].join(', ');
}

/** Stages a log that is not Parquet, in its own order. */
export async function stageLog(
  log: Log,
  selection: Selection,
  condition: string | undefined,
  folder: string,
  signal?: AbortSignal,
): Promise<StagedScan> {
  const path = join(folder, 'log.parquet');
  const select = selection.expressions.map((sql, i) => `${sql} AS ${expressionColumn(i)}`);
  const where = condition === undefined ? '' : ` WHERE ${condition}`;
  const query = `SELECT ${[...select, ROW_COLUMN, FILE_COLUMN].join(', ')} FROM ${log.relation}${where}`;
  await log.database.runInterruptible(copy(query, path), signal);
  return StagedScan.open(log.database, path, selection);
}

export interface StagedOrder {
  /** Expression of the request: its rows are put together. */
  readonly request?: string;
  /** Expression of the time: requests, or rows without requests, are put in its order; null comes last. */
  readonly time?: string;
}

/**
 * Stages a log with the rows of a request together and, with a time, requests by their earliest one. What is equal keeps
 * the log's order: requests that of their first rows, rows that within their request.
 */
export async function stageSorted(
  database: Database,
  scan: Scan,
  selection: Selection,
  order: StagedOrder,
  folder: string,
  signal?: AbortSignal,
): Promise<StagedScan> {
  const path = join(folder, 'sorted.parquet');
  const { expressions } = selection;
  const columnOf = (sql: string): string => expressionColumn(expressions.indexOf(sql));
  const rows = `(${scan.relation(expressions)}) AS l`;
  const query = ((): string => {
    if (order.request === undefined) {
      const keys = [
        ...(order.time === undefined ? [] : [`l.${columnOf(order.time)} NULLS LAST`]),
        `l.${POSITION_COLUMN}`,
      ];
      return `SELECT ${selectList(selection, 'l.')} FROM ${rows} ORDER BY ${keys.join(', ')}`;
    }
    const request = columnOf(order.request);
    const time = order.time === undefined ? 'NULL' : `min(${columnOf(order.time)})`;
    const firsts = `SELECT ${request} AS request, ${time} AS time, min(${POSITION_COLUMN}) AS position FROM (${scan.relation(expressions)}) GROUP BY 1`;
    const keys = [...(order.time === undefined ? [] : ['f.time NULLS LAST']), 'f.position', `l.${POSITION_COLUMN}`];
    return `SELECT ${selectList(selection, 'l.')} FROM ${rows} JOIN (${firsts}) AS f ON l.${request} IS NOT DISTINCT FROM f.request ORDER BY ${keys.join(', ')}`;
  })();
  await database.runInterruptible(copy(query, path), signal);
  if (scan instanceof StagedScan) await rm(scan.path);
  return StagedScan.open(database, path, selection);
}
