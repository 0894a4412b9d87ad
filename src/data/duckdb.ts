/** DuckDB as the reader of logs: queries, its limits, and its errors in our terms. */
import { availableParallelism } from 'node:os';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { PrerankError } from '../base/errors.js';
import { throwIfCancelled } from './cancel.js';

/** `name` as an SQL identifier. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** `value` as an SQL string. */
export function literal(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

/** Items of an SQL list of strings. */
export function literalList(values: readonly string[]): string {
  return `[${values.map(literal).join(', ')}]`;
}

/** Lines after the first of DuckDB's message that say what is wrong or near it. */
const TELLING_LINES =
  /^(Did you mean|Candidate bindings|Original Line|Expected Number of Columns|Error when converting)/;
const LONGEST_LINE = 200;

/** The first line of DuckDB's message, and what tells more of the next ones, without its settings and pointers. */
function summaryOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const [first = message, ...next] = message.split('\n');
  const telling = next.filter((line) => TELLING_LINES.test(line)).map((line) => line.slice(0, LONGEST_LINE));
  return [first.replace(/[.!]$/, ''), ...telling].map((line) => (line.endsWith('?') ? line : `${line}.`)).join(' ');
}

/** What helps when DuckDB does not take a query, or what the query reads. */
function remedyFor(message: string): string {
  return /^(Catalog|Binder|Parser) Error/.test(message)
    ? 'Mend the SQL of the source'
    : 'Check that the files are complete and of the kind their names say';
}

/** Extension that a message says is missing. */
function missingExtension(error: unknown): string | undefined {
  const message = error instanceof Error ? error.message : String(error);
  const mentioned = /extension\b[^\n]*?["'](\w+)["']/i.exec(message)?.[1];
  return mentioned !== undefined && /autoload|install|not found|download/i.test(message) ? mentioned : undefined;
}

/** A query failure as an error of the data that `what` names. */
export function dataError(error: unknown, what: string): PrerankError {
  if (error instanceof PrerankError && error.code !== 'INVALID_ARGUMENT' && error.code !== 'UNSUPPORTED') return error;
  const message = summaryOf(error);
  if (/Out of Memory/i.test(message)) {
    return new PrerankError('OUT_OF_MEMORY', `${what}: ${message}`, {}, { cause: error });
  }
  if (/^INTERRUPT/i.test(message)) return new PrerankError('CANCELLED', `${what}: cancelled`, {}, { cause: error });
  const extension = missingExtension(error);
  if (extension !== undefined) {
    return new PrerankError(
      'DEVICE_UNAVAILABLE',
      `${what}: DuckDB reads this with its extension ${extension}, which is not installed. Run INSTALL ${extension} in DuckDB on a machine with a connection (it stays in ~/.duckdb/extensions, which may be copied to another machine with the same version of DuckDB), or copy the files to this machine`,
      { file: what },
      { cause: error },
    );
  }
  const reason = message.startsWith(`${what}: `) ? message.slice(what.length + 2) : message;
  return new PrerankError(
    'DATA_INVALID',
    `${what}: cannot be read: ${reason} ${remedyFor(reason)}`,
    {},
    { cause: error },
  );
}

export interface ColumnDescription {
  readonly name: string;
  /** DuckDB's type name. */
  readonly type: string;
}

/** How much a job may use. */
export interface DatabaseLimits {
  /** A database takes half of it; the rest is for what works beside it. */
  readonly memoryBytes: number;
  /** Folder for what does not fit into memory. */
  readonly temporary: string;
}

/** Statements that hold a database to its limits. */
export function limitStatements({ memoryBytes, temporary }: DatabaseLimits): string[] {
  return [`SET memory_limit = '${Math.floor(memoryBytes / 2)}B'`, `SET temp_directory = ${literal(temporary)}`];
}

/** Of the memory bound, at least this much for a thread: below it sorting and writing fail. */
const BYTES_PER_THREAD = 2 ** 27;

export class Database {
  private constructor(
    private readonly instance: DuckDBInstance,
    readonly connection: DuckDBConnection,
  ) {}

  /** An in-memory database. `directory`: where relative paths of queries start. */
  static async open(directory?: string, limits?: DatabaseLimits): Promise<Database> {
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    const database = new Database(instance, connection);
    if (directory !== undefined) await database.run(`SET file_search_path = ${literal(directory)}`);
    if (limits !== undefined) {
      for (const statement of limitStatements(limits)) await database.run(statement);
      const threads = Math.max(
        1,
        Math.min(availableParallelism(), Math.floor(limits.memoryBytes / 2 / BYTES_PER_THREAD)),
      );
      await database.run(`SET threads = ${threads}`);
    }
    return database;
  }

  async run(sql: string): Promise<void> {
    await this.connection.run(sql);
  }

  /** Runs a long statement; aborting the signal ends it with an error. */
  async runInterruptible(sql: string, signal: AbortSignal | undefined): Promise<void> {
    const interrupt = (): void => this.connection.interrupt();
    signal?.addEventListener('abort', interrupt);
    try {
      throwIfCancelled(signal);
      await this.connection.run(sql);
    } finally {
      signal?.removeEventListener('abort', interrupt);
    }
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

  close(): void {
    this.connection.closeSync();
    this.instance.closeSync();
  }
}
