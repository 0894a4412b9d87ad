/** The sample logs that the package ships, and what a query finds in them. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DuckDBInstance } from '@duckdb/node-api';

export const DATA = fileURLToPath(new URL('../../../data', import.meta.url));

export const committed = (name: string): string => join(DATA, 'sample', `${name}.parquet`);

/** The first row of a query's result by column. */
export async function firstRow(sql: string): Promise<Record<string, unknown>> {
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  const [row] = (await connection.runAndReadAll(sql)).getRowObjectsJson();
  connection.closeSync();
  assert.ok(row);
  return row;
}
