/** The rows of a reference step as a raw log, so that they go through ingestion into a dataset folder. */
import { Field, Float32, List, makeData, RecordBatch, Schema, Struct, Uint8, Uint32 } from 'apache-arrow';
import type { ConfigInput } from '../config/schema.js';
import { ROLE_COLUMNS } from '../data/features.js';
import type { ColumnSpec } from '../runtime/native.js';
import { generateColumns } from './generated-data.js';
import type { ReferenceStep } from './reference-steps.js';

const REQUEST_ROWS = 32;

/** Names of the raw columns. */
const RAW = { request: 'request_id', click: 'click', impression: 'shown', cqs: 'cqs', finalCtr: 'final_ctr' } as const;

function arrowData({ type, chunks }: ColumnSpec) {
  const [chunk] = chunks;
  if (chunk === undefined) throw new RangeError('a column without a chunk');
  const { values, offsets, rows } = chunk;
  if (type === 'list<uint32>') {
    const child = makeData({ type: new Uint32(), data: values as Uint32Array });
    return makeData({ type: new List(new Field('item', new Uint32())), length: rows, valueOffsets: offsets, child });
  }
  if (type === 'uint32') return makeData({ type: new Uint32(), data: values as Uint32Array });
  if (type === 'uint8') return makeData({ type: new Uint8(), data: values as Uint8Array });
  return makeData({ type: new Float32(), data: values as Float32Array });
}

/** Clicks only where the ad was shown, as in any log. */
function shownClicks(click: ColumnSpec, shown: ColumnSpec): ColumnSpec {
  const values = click.chunks[0]?.values ?? new Float32Array();
  const impressions = shown.chunks[0]?.values ?? new Uint8Array();
  const clicked = Float32Array.from(values, (value, row) => value * (impressions[row] ?? 0));
  return { name: RAW.click, type: 'float32', chunks: [{ values: clicked, rows: clicked.length }] };
}

/** `batches` record batches of `rows` rows each; every batch is drawn by itself. */
export function* referenceLog(
  step: ReferenceStep,
  batches: number,
  rows: number,
  seed: number,
): Generator<RecordBatch> {
  for (let batch = 0; batch < batches; batch += 1) {
    const columns = new Map(generateColumns(step, rows, seed + batch).map((column) => [column.name, column]));
    const named = (name: string): ColumnSpec => {
      const column = columns.get(name);
      if (column === undefined) throw new RangeError(`no column ${name}`);
      return column;
    };
    const request = Uint32Array.from({ length: rows }, (_, row) => Math.floor((batch * rows + row) / REQUEST_ROWS));
    const raw: ColumnSpec[] = [
      { name: RAW.request, type: 'uint32', chunks: [{ values: request, rows }] },
      ...step.features.features.map(({ source, column }) => ({ ...named(column), name: source })),
      shownClicks(named(ROLE_COLUMNS.click.column), named(ROLE_COLUMNS.impression.column)),
      ...(['impression', 'cqs', 'finalCtr'] as const).map((role) => ({
        ...named(ROLE_COLUMNS[role].column),
        name: RAW[role],
      })),
    ];
    const children = raw.map(arrowData);
    const fields = raw.map(({ name }, i) => new Field(name, (children[i] ?? children[0])?.type ?? new Float32()));
    const data = makeData({ type: new Struct(fields), length: rows, nullCount: 0, children });
    yield new RecordBatch(new Schema(fields), data);
  }
}

/** The configuration of a reference step's log; its ids are hashed to as many buckets as the tables have rows. */
export function referenceLogConfig(step: ReferenceStep): ConfigInput {
  const tables = new Map(step.features.tables.map((table) => [table.name, table]));
  const features = (side: 'user' | 'ad') =>
    step.features.features
      .filter((feature) => feature.side === side)
      .map((feature) => {
        if (feature.kind === 'dense') return { name: feature.name, kind: 'dense' as const, transform: 'none' as const };
        const { rows: buckets = 2, dim } = tables.get(feature.table) ?? {};
        const { name, kind } = feature;
        return kind === 'multi'
          ? { name, kind, dim, pooling: feature.pooling, hash: { buckets } }
          : { name, kind, dim, hash: { buckets } };
      });
  return {
    name: step.name,
    data: { columns: RAW, features: { user: features('user'), ad: features('ad') } },
    model: step.model,
    tasks: { ctr: { weight: 1 }, cqs: { weight: 1.5 }, teacher: { weight: 2, target: 'own' } },
    training: { batchSize: step.batch, epochs: 1 },
  };
}
