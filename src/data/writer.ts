/** Writes encoded columns as Arrow IPC files: equal record batches, files below 1 GiB. */
import { createWriteStream, statSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Data, Field, makeData, RecordBatch, RecordBatchFileWriter, Schema, Struct } from 'apache-arrow';
import { syncPath } from '../base/files.js';
import { BATCH_ROWS, type OutputColumn } from './output.js';

const MAX_FILE_BYTES = 2 ** 30 - 2 ** 26;

export interface WrittenFile {
  readonly name: string;
  readonly rows: number;
  readonly bytes: number;
}

interface OpenFile {
  readonly name: string;
  readonly writer: RecordBatchFileWriter;
  readonly done: Promise<void>;
  rows: number;
  bytes: number;
}

function byteLength(data: Data): number {
  return data.byteLength + data.children.reduce((sum, child) => sum + byteLength(child), 0);
}

export class DatasetWriter {
  private readonly schema: Schema;
  private readonly files: WrittenFile[] = [];
  private current: OpenFile | undefined;
  private pending = 0;

  constructor(
    private readonly folder: string,
    private readonly columns: readonly OutputColumn[],
  ) {
    this.schema = new Schema(columns.map(({ name, arrow }) => new Field(name, arrow, false)));
  }

  /** Rows that still fit into the open record batch. */
  get room(): number {
    return BATCH_ROWS - this.pending;
  }

  /** Says that every column got `rows` more rows; writes the batch when it is full. */
  async added(rows: number): Promise<void> {
    this.pending += rows;
    if (this.pending === BATCH_ROWS) await this.writeBatch();
  }

  private async writeBatch(): Promise<void> {
    const children = this.columns.map((column) => column.flush());
    const type = new Struct(this.schema.fields);
    const data = makeData({ type, length: this.pending, nullCount: 0, children });
    const bytes = byteLength(data);
    if (this.current && this.current.bytes + bytes > MAX_FILE_BYTES) await this.closeFile();
    this.current ??= this.openFile();
    this.current.writer.write(new RecordBatch(this.schema, data));
    this.current.rows += this.pending;
    this.current.bytes += bytes;
    this.pending = 0;
  }

  private openFile(): OpenFile {
    const name = `part-${String(this.files.length).padStart(5, '0')}.arrow`;
    const writer = new RecordBatchFileWriter();
    const done = pipeline(writer.toNodeStream(), createWriteStream(join(this.folder, name)));
    // The failure is seen where `done` is awaited; until then it must not count as unhandled.
    done.catch(() => undefined);
    return { name, writer, done, rows: 0, bytes: 0 };
  }

  private async closeFile(): Promise<void> {
    if (!this.current) return;
    const { name, writer, done, rows } = this.current;
    writer.finish();
    await done;
    const path = join(this.folder, name);
    await syncPath(path);
    this.files.push({ name, rows, bytes: statSync(path).size });
    this.current = undefined;
  }

  /** Writes what is left; the files in order. */
  async finish(): Promise<WrittenFile[]> {
    if (this.pending > 0) await this.writeBatch();
    await this.closeFile();
    return this.files;
  }

  /** Ends an unfinished file after an error. */
  async abort(): Promise<void> {
    if (!this.current) return;
    this.current.writer.finish();
    await this.current.done.catch(() => undefined);
    this.current = undefined;
  }
}
