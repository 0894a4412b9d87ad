/** Vocabularies: which raw values get a row of their own. */
import { listValue } from '@duckdb/node-api';
import type { Database } from './duckdb.js';
import { columnSql, type Log, type LogColumn } from './log.js';

/**
 * Values that occur at least `minFrequency` times in all the columns together, the most frequent first, equal counts by value
 * (numbers by size, strings by UTF-8 bytes). Elements of lists count each; null does not count.
 */
export async function learnVocabulary(
  log: Log,
  columns: readonly LogColumn[],
  valueType: 'int' | 'string',
  minFrequency: number,
): Promise<string[]> {
  const type = valueType === 'int' ? 'HUGEINT' : 'VARCHAR';
  const parts = columns.map((column) => {
    const value = column.list ? `unnest(${columnSql(column)})` : columnSql(column);
    return `SELECT CAST(v AS ${type}) AS v FROM (SELECT ${value} AS v FROM ${log.relation})`;
  });
  const rows = await log.database.rows(
    `SELECT CAST(v AS VARCHAR) FROM (${parts.join(' UNION ALL ')}) WHERE v IS NOT NULL
     GROUP BY v HAVING count(*) >= ${minFrequency} ORDER BY count(*) DESC, v`,
  );
  return rows.map(([value]) => String(value));
}

const INSERT_VALUES = 10_000;

/** Makes the values an SQL type whose codes are their positions: DuckDB then maps text to codes natively. */
export async function createVocabularyType(database: Database, name: string, values: readonly string[]): Promise<void> {
  const table = `${name}_values`;
  await database.run(`CREATE TEMP TABLE ${table} (position BIGINT, value VARCHAR)`);
  const insert = `INSERT INTO ${table} SELECT $1 + generate_subscripts($2::VARCHAR[], 1), unnest($2::VARCHAR[])`;
  for (let from = 0; from < values.length; from += INSERT_VALUES) {
    const slice = values.slice(from, from + INSERT_VALUES);
    await database.connection.run(insert, [BigInt(from), listValue(slice)]);
  }
  await database.run(`CREATE TYPE ${name} AS ENUM (SELECT value FROM ${table} ORDER BY position)`);
  await database.run(`DROP TABLE ${table}`);
}

/** Text to table row: position + 1, or 0 (out-of-vocabulary) for an unknown value and for null. */
export function vocabularyRowSql(type: string, text: string): string {
  return `coalesce(enum_code(TRY_CAST(${text} AS ${type}))::UINTEGER + 1, 0)::UINTEGER`;
}

/** Name of the SQL type of table number `index`. */
export function vocabularyTypeName(index: number): string {
  return `prerank_vocabulary_${index}`;
}
