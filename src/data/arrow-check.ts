/**
 * Checks the structure of an Arrow IPC file before apache-arrow reads it: with damaged counts its reader would loop over billions of
 * entries instead of failing. Layout: Arrow columnar format, "IPC File Format", and File.fbs, Message.fbs, Schema.fbs.
 */

const MAGIC = 'ARROW1';
const MAX_DEPTH = 64;
/** Sizes of the structs Block, FieldNode and Buffer. */
const BLOCK_BYTES = 24;
const PAIR_BYTES = 16;
const RECORD_BATCH = 3;

/** Positions of fields in their FlatBuffers tables. */
const FOOTER = { schema: 1, dictionaries: 2, recordBatches: 3 } as const;
const SCHEMA_FIELDS = 1;
const FIELD_CHILDREN = 5;
const MESSAGE = { headerType: 1, header: 2 } as const;
const BATCH = { length: 0, nodes: 1, buffers: 2 } as const;

interface Vector {
  readonly start: number;
  readonly count: number;
}

/** A FlatBuffer inside a file; every read outside of it throws RangeError. */
class FlatBuffer {
  private readonly view: DataView;

  constructor(bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  root(): number {
    return this.view.getUint32(0, true);
  }

  /** Position of a field's value, or 0 when the table does not have it. */
  field(table: number, index: number): number {
    const vtable = table - this.view.getInt32(table, true);
    const entry = 4 + 2 * index;
    if (entry >= this.view.getUint16(vtable, true)) return 0;
    const offset = this.view.getUint16(vtable + entry, true);
    return offset === 0 ? 0 : table + offset;
  }

  table(position: number): number {
    return position + this.view.getUint32(position, true);
  }

  /** The vector at a field, its extent checked. */
  vector(table: number, index: number, elementBytes: number): Vector {
    const position = this.field(table, index);
    if (position === 0) return { start: 0, count: 0 };
    const at = this.table(position);
    const count = this.view.getUint32(at, true);
    if (at + 4 + count * elementBytes > this.view.byteLength)
      throw new RangeError(`a list of ${count} entries does not fit`);
    return { start: at + 4, count };
  }

  uint8(position: number): number {
    return this.view.getUint8(position);
  }

  int64(position: number): number {
    const value = Number(this.view.getBigInt64(position, true));
    if (value < 0) throw new RangeError('a length is negative');
    return value;
  }
}

function checkFields(buffer: FlatBuffer, table: number, index: number, depth: number): void {
  if (depth > MAX_DEPTH) throw new RangeError('fields are nested too deeply');
  const { start, count } = buffer.vector(table, index, 4);
  for (let i = 0; i < count; i++) checkFields(buffer, buffer.table(start + 4 * i), FIELD_CHILDREN, depth + 1);
}

/** A record batch message: its nodes and buffers lie inside, its row count fits its body. */
function checkMessage(metadata: Uint8Array, bodyBytes: number): void {
  const buffer = new FlatBuffer(metadata);
  const message = buffer.root();
  const type = buffer.field(message, MESSAGE.headerType);
  const header = buffer.field(message, MESSAGE.header);
  if (type === 0 || header === 0 || buffer.uint8(type) !== RECORD_BATCH)
    throw new RangeError('a message is no record batch');
  const batch = buffer.table(header);
  const length = buffer.field(batch, BATCH.length);
  if (length !== 0 && buffer.int64(length) > bodyBytes * 8)
    throw new RangeError('a record batch is longer than its data');
  buffer.vector(batch, BATCH.nodes, PAIR_BYTES);
  const { start, count } = buffer.vector(batch, BATCH.buffers, PAIR_BYTES);
  for (let i = 0; i < count; i++) {
    const at = start + i * PAIR_BYTES;
    if (buffer.int64(at) + buffer.int64(at + 8) > bodyBytes)
      throw new RangeError('a buffer ends outside its record batch');
  }
}

function checkBlock(bytes: Uint8Array, footer: FlatBuffer, at: number): void {
  const offset = footer.int64(at);
  const bodyBytes = footer.int64(at + 16);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const continued = view.getInt32(offset, true) === -1;
  const begin = offset + (continued ? 8 : 4);
  const end = begin + view.getInt32(begin - 4, true);
  if (end <= begin || end + bodyBytes > bytes.byteLength) throw new RangeError('a record batch ends outside the file');
  checkMessage(bytes.subarray(begin, end), bodyBytes);
}

/** @throws Error saying what is wrong with the file's structure. */
export function checkArrowFile(bytes: Uint8Array): void {
  const latin1 = (from: number, to: number): string => String.fromCharCode(...bytes.subarray(from, to));
  const { byteLength } = bytes;
  const footerEnd = byteLength - MAGIC.length - 4;
  if (footerEnd < 8 || latin1(0, MAGIC.length) !== MAGIC || latin1(byteLength - MAGIC.length, byteLength) !== MAGIC) {
    throw new Error('it does not begin and end with ARROW1');
  }
  const footerBytes = new DataView(bytes.buffer, bytes.byteOffset, byteLength).getInt32(footerEnd, true);
  if (footerBytes <= 0 || footerBytes > footerEnd - 8) throw new Error('its footer does not fit');
  const footer = new FlatBuffer(bytes.subarray(footerEnd - footerBytes, footerEnd));
  const root = footer.root();
  const schema = footer.field(root, FOOTER.schema);
  if (schema === 0) throw new Error('it has no schema');
  checkFields(footer, footer.table(schema), SCHEMA_FIELDS, 0);
  footer.vector(root, FOOTER.dictionaries, BLOCK_BYTES);
  const { start, count } = footer.vector(root, FOOTER.recordBatches, BLOCK_BYTES);
  for (let i = 0; i < count; i++) checkBlock(bytes, footer, start + i * BLOCK_BYTES);
}
