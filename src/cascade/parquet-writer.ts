/**
 * Writes tables of typed arrays as Parquet files. DuckDB pulls its chunks from a table function that copies slices of the
 * arrays into DuckDB's vectors: no table in between, no value passes through JavaScript.
 */
import {
  type DuckDBConnection,
  type DuckDBDataChunk,
  DuckDBInstance,
  DuckDBTableFunction,
  type DuckDBType,
  ENUM,
  FLOAT,
  TIMESTAMP,
  UINTEGER,
  UTINYINT,
} from '@duckdb/node-api';
import duckdb from '@duckdb/node-bindings';
import { PrerankError } from '../base/errors.js';
import { literal } from '../data/duckdb.js';
import { NULL_FLAG } from './log-rows.js';
import { type ColumnKind, type ColumnValues, rowsOf, type Table, type TableColumn } from './log-table.js';

const CHUNK_ROWS = 2048;
const ROW_GROUP_ROWS = 131_072;
const FUNCTION = 'simulated_rows';

function duckType(kind: ColumnKind): DuckDBType {
  if (typeof kind === 'object') return ENUM([...kind.names]);
  switch (kind) {
    case 'id':
      return UINTEGER;
    case 'flag':
    case 'version':
      return UTINYINT;
    case 'float':
      return FLOAT;
    case 'time':
      return TIMESTAMP;
  }
}

/** Sets bit i of `mask` where values[from + i] is not null; false when none is null. */
function validity(kind: ColumnKind, values: ColumnValues, from: number, rows: number, mask: Uint8Array): boolean {
  if (kind !== 'float' && kind !== 'flag') return false;
  mask.fill(255);
  let nulls = false;
  for (let i = 0; i < rows; i += 1) {
    const value = values[from + i];
    if (kind === 'float' ? Number.isNaN(value) : value === NULL_FLAG) {
      mask[i >> 3] = (mask[i >> 3] ?? 0) & ~(1 << (i & 7));
      nulls = true;
    }
  }
  return nulls;
}

export class ParquetWriter {
  #table: Table = [];
  #position = 0;
  readonly #mask = new Uint8Array(CHUNK_ROWS / 8);

  private constructor(
    private readonly instance: DuckDBInstance,
    private readonly connection: DuckDBConnection,
  ) {}

  /** One thread: the bytes of a file depend on its rows alone. */
  static async open(): Promise<ParquetWriter> {
    const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
    const connection = await instance.connect();
    const writer = new ParquetWriter(instance, connection);
    connection.registerTableFunction(
      DuckDBTableFunction.create({
        name: FUNCTION,
        bindFunction: (info) => {
          for (const { name, kind } of writer.#table) info.addResultColumn(name, duckType(kind));
          info.setCardinality(rowsOf(writer.#table), true);
        },
        initFunction: (info) => info.setMaxThreads(1),
        mainFunction: (_, chunk) => writer.#fill(chunk),
      }),
    );
    return writer;
  }

  /** Writes one file. Calls must not overlap. */
  async write(path: string, table: Table): Promise<void> {
    this.#table = table;
    this.#position = 0;
    try {
      await this.connection.run(
        `COPY (SELECT * FROM ${FUNCTION}()) TO ${literal(path)} ` +
          `(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${ROW_GROUP_ROWS})`,
      );
    } catch (cause) {
      throw new PrerankError('IO_ERROR', `cannot write ${path}: ${String(cause)}`, { file: path }, { cause });
    } finally {
      this.#table = [];
    }
  }

  #fill(chunk: DuckDBDataChunk): void {
    const from = this.#position;
    const rows = Math.min(CHUNK_ROWS, rowsOf(this.#table) - from);
    chunk.rowCount = rows;
    for (const [i, column] of this.#table.entries()) this.#copy(chunk, i, column, rows);
    this.#position = from + rows;
  }

  #copy(chunk: DuckDBDataChunk, index: number, { kind, values }: TableColumn, rows: number): void {
    if (rows === 0) return;
    const vector = duckdb.data_chunk_get_vector(chunk.chunk, index);
    const { buffer, byteOffset, BYTES_PER_ELEMENT: bytes } = values;
    const from = byteOffset + this.#position * bytes;
    duckdb.copy_data_to_vector(vector, 0, buffer as ArrayBuffer, from, rows * bytes);
    if (validity(kind, values, this.#position, rows, this.#mask)) {
      duckdb.vector_ensure_validity_writable(vector);
      duckdb.copy_data_to_vector_validity(vector, 0, this.#mask.buffer, 0, this.#mask.byteLength);
    }
  }

  close(): void {
    this.connection.closeSync();
    this.instance.closeSync();
  }
}
