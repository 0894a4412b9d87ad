/**
 * Rows of a script's own: DuckDB filters Parquet, an async generator yields apache-arrow record batches, `ingest` encodes
 * them into a dataset folder, a model trains on the folder.
 *   node examples/04-record-batches/record-batches.mjs [--out runs/04-record-batches]
 */
import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';
import { Field, Float64, Int8, Int32, List, Table, Utf8, vectorFromArray } from 'apache-arrow';
import { loadConfig, train } from 'prerank';
import { ingest, openDataset } from 'prerank/data';

const SAMPLE = fileURLToPath(new URL('../../data/sample/train.parquet', import.meta.url));

/** The columns that are read, and their Arrow types. */
const COLUMNS = {
  request_id: new Int32(),
  user_id: new Int32(),
  country: new Utf8(),
  interests: new List(new Field('item', new Utf8(), true)),
  ad_id: new Int32(),
  advertiser_id: new Utf8(),
  ad_price: new Float64(),
  device: new Utf8(),
  click: new Int8(),
};

/** Shown ads whose clicks count, a record batch for each chunk of the query. */
async function* shownAds() {
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  const names = Object.keys(COLUMNS);
  const query = `SELECT ${names.join(', ')} FROM '${SAMPLE}' WHERE shown = 1 AND ctr_traffic = 1`;
  const result = await connection.stream(query);
  for await (const rows of result.yieldRowsJs()) {
    const vectors = names.map((name, i) => {
      const values = rows.map((row) => row[i]);
      return [name, vectorFromArray(values, COLUMNS[name])];
    });
    yield* new Table(Object.fromEntries(vectors)).batches;
  }
  connection.closeSync();
}

const LOG = {
  columns: { request: 'request_id', user: 'user_id', ad: 'ad_id', click: 'click' },
  split: { by: 'hash', fraction: 0.2 },
  features: [
    { name: 'user_id', kind: 'categorical' },
    { name: 'country', kind: 'categorical' },
    { name: 'interests', kind: 'multi' },
    { name: 'ad_id', kind: 'categorical' },
    { name: 'advertiser_id', kind: 'categorical', hash: { buckets: 1000 } },
    { name: 'ad_price', kind: 'dense', transform: ['log1p', 'standardize'] },
    { name: 'device', kind: 'categorical' },
  ],
};
const MODEL = {
  model: { kind: 'dlrm', embeddingDim: 8, bottom: [32, 8], top: { hidden: [64, 32] } },
  tasks: { click: { label: 'click' } },
  training: { batchSize: 256, epochs: 3 },
};

const { values } = parseArgs({ options: { out: { type: 'string', default: 'runs/04-record-batches' } } });
const out = resolve(values.out);
rmSync(out, { recursive: true, force: true });

const folder = join(out, 'dataset');
const ingested = await ingest(loadConfig({ data: LOG, ...MODEL }), { out: folder, source: shownAds() });
console.log(`encoded ${ingested.train.rows} rows to train on and ${ingested.eval.rows} to evaluate on`);

const dataset = openDataset(join(folder, 'train'));
const adRows = dataset.table().getChild('feature.ad_id');
const counts = new Map();
for (const row of adRows) counts.set(row, (counts.get(row) ?? 0) + 1);
const [[row, count]] = [...counts].sort(([, a], [, b]) => b - a);
console.log(
  `ads: ${counts.size} in ${adRows.length} rows; the most frequent has row ${row} of its table, ${count} times`,
);
dataset.close();

const summary = await train(loadConfig({ data: { train: folder }, ...MODEL }), { out: join(out, 'run') });
console.log(`click AUC on the evaluation rows: ${summary.metrics.eval.click.auc.toFixed(4)}`);
