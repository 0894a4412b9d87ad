/** Arrow IPC files as a temporary table, so that every later step sees one kind of source. */
import { readFileSync } from 'node:fs';
import { type DuckDBType, DuckDBDataChunk, type DuckDBValue, listValue, timestampValue } from '@duckdb/node-api';
import * as api from '@duckdb/node-api';
import { type DataType, type RecordBatch, RecordBatchReader, Type, type Vector } from 'apache-arrow';
import { PrerankError } from '../base/errors.js';
import { checkArrowFile } from './arrow-check.js';
import { type Database, identifier } from './duckdb.js';

interface Conversion {
  /** SQL type of the column. */
  readonly sql: string;
  readonly type: DuckDBType;
  /** A non-null value of `Vector.get` as DuckDB takes it. */
  readonly convert: (value: unknown) => DuckDBValue;
}

const CHUNK_ROWS = 2048;
const same = (value: unknown): DuckDBValue => value as DuckDBValue;

function integer(type: DataType & { bitWidth: number; isSigned: boolean }): Conversion {
  if (type.bitWidth === 64 && !type.isSigned) {
    return { sql: 'UBIGINT', type: api.UBIGINT, convert: (value) => BigInt(value as bigint) };
  }
  return { sql: 'BIGINT', type: api.BIGINT, convert: (value) => BigInt(value as number | bigint) };
}

/** How a column of an Arrow type becomes a DuckDB column, or undefined when it cannot. */
function conversionOf(type: DataType): Conversion | undefined {
  switch (type.typeId) {
    case Type.Int:
      return integer(type as DataType & { bitWidth: number; isSigned: boolean });
    case Type.Float:
      return { sql: 'DOUBLE', type: api.DOUBLE, convert: same };
    case Type.Bool:
      return { sql: 'BOOLEAN', type: api.BOOLEAN, convert: same };
    case Type.Utf8:
    case Type.LargeUtf8:
      return { sql: 'VARCHAR', type: api.VARCHAR, convert: same };
    case Type.Timestamp:
    case Type.Date:
      return {
        sql: 'TIMESTAMP',
        type: api.TIMESTAMP,
        convert: (value) => timestampValue(BigInt(Math.round(Number(value) * 1000))),
      };
    case Type.Dictionary:
      return conversionOf((type as DataType & { dictionary: DataType }).dictionary);
    case Type.List:
    case Type.FixedSizeList: {
      const item = type.children[0] && conversionOf(type.children[0].type);
      if (!item) return undefined;
      const convert = (value: unknown): DuckDBValue =>
        listValue(
          Array.from(value as Iterable<unknown>, (v) => (v === null || v === undefined ? null : item.convert(v))),
        );
      return { sql: `${item.sql}[]`, type: api.LIST(item.type), convert };
    }
    default:
      return undefined;
  }
}

interface ImportedColumn extends Conversion {
  readonly name: string;
}

function openReader(path: string): RecordBatch[] {
  try {
    const bytes = readFileSync(path);
    checkArrowFile(bytes);
    return [...RecordBatchReader.from(bytes)];
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new PrerankError(
      'DATA_INVALID',
      `${path}: no readable Arrow IPC file (truncated or corrupt): ${reason}. Write it again`,
      { file: path },
      { cause },
    );
  }
}

function values(vector: Vector | null, column: ImportedColumn, from: number, to: number): DuckDBValue[] {
  const result: DuckDBValue[] = new Array<DuckDBValue>(to - from).fill(null);
  if (vector === null) return result;
  for (let row = from; row < to; row++) {
    const value: unknown = vector.get(row);
    if (value !== null && value !== undefined) result[row - from] = column.convert(value);
  }
  return result;
}

function mergeColumns(columns: Map<string, ImportedColumn>, batch: RecordBatch, path: string): void {
  for (const field of batch.schema.fields) {
    const conversion = conversionOf(field.type as DataType);
    if (!conversion) continue;
    const known = columns.get(field.name);
    if (known && known.sql !== conversion.sql) {
      throw new PrerankError(
        'COLUMN_TYPE',
        `${path}: column "${field.name}" is ${conversion.sql} here and ${known.sql} in an earlier file`,
        { file: path, column: field.name },
      );
    }
    columns.set(field.name, { name: field.name, ...conversion });
  }
}

/**
 * Copies Arrow IPC files into the table `table`, with `fileColumn` and `rowColumn` (row within its file, from 0) beside the log's
 * columns. Columns of types that no feature or role can use (structs, maps, binary) are left out.
 */
export async function importArrow(
  database: Database,
  paths: readonly string[],
  names: { readonly table: string; readonly file: string; readonly row: string },
): Promise<void> {
  const columns = new Map<string, ImportedColumn>();
  for (const path of paths) for (const batch of openReader(path)) mergeColumns(columns, batch, path);
  const list = [...columns.values()];
  const definitions = list.map((column) => `${identifier(column.name)} ${column.sql}`);
  definitions.push(`${names.file} VARCHAR`, `${names.row} BIGINT`);
  await database.run(`CREATE TEMP TABLE ${names.table} (${definitions.join(', ')})`);
  const appender = await database.connection.createAppender(names.table);
  const types = [...list.map((column) => column.type), api.VARCHAR, api.BIGINT];
  for (const path of paths) {
    let fileRow = 0;
    for (const batch of openReader(path)) {
      for (let from = 0; from < batch.numRows; from += CHUNK_ROWS) {
        const to = Math.min(batch.numRows, from + CHUNK_ROWS);
        const chunk = DuckDBDataChunk.create(types, to - from);
        list.forEach((column, i) => {
          chunk.setColumnValues(i, values(batch.getChild(column.name), column, from, to));
        });
        const rows = Array.from({ length: to - from }, () => BigInt(fileRow++));
        chunk.setColumnValues(list.length, new Array<DuckDBValue>(to - from).fill(path));
        chunk.setColumnValues(list.length + 1, rows);
        appender.appendDataChunk(chunk);
      }
    }
  }
  appender.closeSync();
}
