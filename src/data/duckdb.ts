/** DuckDB as the reader of logs: queries, raw chunks, and its errors in our terms. */
import { type DuckDBConnection, type DuckDBDataChunk, DuckDBInstance } from '@duckdb/node-api';
import { PrerankError } from '../base/errors.js';

/** `name` as an SQL identifier. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** `value` as an SQL string. */
export function literal(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

/** The first line of DuckDB's message, without its candidate lists and pointers. */
function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split('\n')[0] ?? message;
}

/** A query failure as an error of the data that `what` names. */
export function dataError(error: unknown, what: string): PrerankError {
  if (error instanceof PrerankError) return error;
  const message = firstLine(error);
  if (/Out of Memory/i.test(message)) {
    return new PrerankError('OUT_OF_MEMORY', `${what}: ${message}`, {}, { cause: error });
  }
  return new PrerankError(
    'DATA_INVALID',
    `${what}: cannot be read: ${message}. Check that the files are complete and of the kind their names say`,
    {},
    { cause: error },
  );
}

export interface ColumnDescription {
  readonly name: string;
  /** DuckDB's type name. */
  readonly type: string;
}

export class Database {
  private constructor(
    private readonly instance: DuckDBInstance,
    readonly connection: DuckDBConnection,
  ) {}

  /** An in-memory database. `directory`: where relative paths of queries start. */
  static async open(directory?: string): Promise<Database> {
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    if (directory !== undefined) await connection.run(`SET file_search_path = ${literal(directory)}`);
    return new Database(instance, connection);
  }

  async run(sql: string): Promise<void> {
    await this.connection.run(sql);
  }

  /** All rows, each as an array in column order. For small results. */
  async rows(sql: string): Promise<unknown[][]> {
    const reader = await this.connection.runAndReadAll(sql);
    return reader.getRows();
  }

  /** The columns of a query, without running it. */
  async describe(query: string): Promise<ColumnDescription[]> {
    const rows = await this.rows(`DESCRIBE ${query}`);
    return rows.map(([name, type]) => ({ name: String(name), type: String(type) }));
  }

  /** Chunks of at most 2048 rows, in the order of the query. A chunk must be read before the next is asked for. */
  async *chunks(sql: string): AsyncGenerator<DuckDBDataChunk> {
    const result = await this.connection.stream(sql);
    for (;;) {
      const chunk = await result.fetchChunk();
      if (chunk === null || chunk.rowCount === 0) return;
      yield chunk;
    }
  }

  close(): void {
    this.connection.closeSync();
    this.instance.closeSync();
  }
}
