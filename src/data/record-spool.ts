/** Record batches of the caller's own script as Arrow IPC streams in a folder, so that they are a log like any other. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RecordBatch, RecordBatchStreamWriter, util } from 'apache-arrow';
import { PrerankError } from '../base/errors.js';
import { throwIfCancelled } from './cancel.js';

export type RecordBatches =
  | Iterable<RecordBatch>
  | AsyncIterable<RecordBatch>
  | { readonly batches: Iterable<RecordBatch> };

/** What messages call the source. */
const NAME = 'record batches';
/** A file is written when its batches hold so much. */
const FILE_BYTES = 2 ** 26;

export interface Spooled {
  /** Arrow IPC streams, in order. */
  readonly paths: readonly string[];
  /** What each file is called, and how many rows were before it. */
  readonly origins: ReadonlyMap<string, { readonly name: string; readonly firstRow: number }>;
}

export function isRecordBatches(source: unknown): source is RecordBatches {
  if (typeof source !== 'object' || source === null) return false;
  if (Array.isArray(source)) return typeof source[0] !== 'string';
  return Symbol.asyncIterator in source || Symbol.iterator in source;
}

function checkBatch(value: unknown, index: number): RecordBatch {
  // `instanceof` also takes batches of other copies of the package, whose types this copy cannot write.
  if (value instanceof RecordBatch && Object.prototype.isPrototypeOf.call(RecordBatch.prototype, value)) return value;
  const foreign = typeof value === 'object' && value !== null && 'schema' in value && 'numRows' in value;
  const remedy = foreign
    ? 'it is one of another copy of apache-arrow. Import the copy that prerank has (npm dedupe; import, not require)'
    : 'give record batches, or a table';
  throw new PrerankError(
    'INVALID_ARGUMENT',
    `item ${index} of the source is no RecordBatch of apache-arrow: ${remedy}`,
  );
}

const byteLength = (batch: RecordBatch): number =>
  batch.data.children.reduce((sum, child) => sum + child.byteLength, 0);

/** Writes all batches below `folder`; they may be let go as soon as they are taken. */
export async function spoolRecordBatches(
  source: RecordBatches,
  folder: string,
  signal?: AbortSignal,
): Promise<Spooled> {
  await mkdir(folder, { recursive: true });
  const origins = new Map<string, { name: string; firstRow: number }>();
  let pending: RecordBatch[] = [];
  let bytes = 0;
  let rows = 0;
  let index = 0;
  const flush = async (): Promise<void> => {
    const [first] = pending;
    if (first === undefined) return;
    const path = join(folder, `batches-${String(origins.size).padStart(6, '0')}.arrow`);
    await writeFile(path, await new RecordBatchStreamWriter().writeAll(pending).toUint8Array());
    origins.set(path, { name: NAME, firstRow: rows });
    rows += pending.reduce((sum, { numRows }) => sum + numRows, 0);
    pending = [];
    bytes = 0;
  };
  for await (const value of 'batches' in source ? source.batches : source) {
    throwIfCancelled(signal);
    const batch = checkBatch(value, index++);
    const schema = pending[0]?.schema;
    if (schema !== undefined && !util.compareSchemas(schema, batch.schema)) await flush();
    pending.push(batch);
    bytes += byteLength(batch);
    if (bytes >= FILE_BYTES) await flush();
  }
  await flush();
  if (origins.size === 0) throw new PrerankError('DATA_EMPTY', `${NAME}: there is none. Give at least one row`);
  return { paths: [...origins.keys()], origins };
}
