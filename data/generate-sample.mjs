/**
 * Writes the sample logs, data/sample/{train,eval}.parquet: the same rows every time.
 *   node data/generate-sample.mjs [--out FOLDER]
 */
import { mkdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  DOUBLE,
  DuckDBInstance,
  DuckDBTimestampValue,
  FLOAT,
  INTEGER,
  LIST,
  listValue,
  SMALLINT,
  TIMESTAMP,
  TINYINT,
  VARCHAR,
} from '@duckdb/node-api';
import { simulateLogs } from './sample-world.mjs';

const SEED = 20240304;
const SIZE = { trainRequests: 3600, evalRequests: 240, perPool: 3 };

/** Columns in the order of the file. */
const COLUMNS = {
  request_id: INTEGER,
  ts: TIMESTAMP,
  user_id: INTEGER,
  ad_id: INTEGER,
  stage: VARCHAR,
  shown: TINYINT,
  click: TINYINT,
  conversion: TINYINT,
  objective: VARCHAR,
  ctr_traffic: TINYINT,
  ectr: FLOAT,
  p_cross_out: FLOAT,
  p_hide: FLOAT,
  p_report: FLOAT,
  p_survey_good: FLOAT,
  bid: FLOAT,
  early_cvr: FLOAT,
  early_vtr: FLOAT,
  total_value: FLOAT,
  hour: TINYINT,
  device: VARCHAR,
  session_depth: SMALLINT,
  age: TINYINT,
  country: VARCHAR,
  user_clicks_30d: INTEGER,
  interests: LIST(VARCHAR),
  interest_weights: LIST(FLOAT),
  recent_ads: LIST(INTEGER),
  user_f0: FLOAT,
  user_f1: FLOAT,
  user_f2: FLOAT,
  user_f3: FLOAT,
  advertiser_id: VARCHAR,
  ad_format: VARCHAR,
  ad_topics: LIST(VARCHAR),
  ad_clicks_30d: INTEGER,
  ad_price: DOUBLE,
  ad_f0: FLOAT,
  ad_f1: FLOAT,
  ad_f2: FLOAT,
  ad_f3: FLOAT,
};

/** The value of a column: factor vectors are spread over numbered columns, times are in microseconds. */
function cell(row, column) {
  if (column === 'ts') return new DuckDBTimestampValue(BigInt(row.ts) * 1000n);
  const factor = /^(user|ad)_f(\d)$/.exec(column);
  return factor === null ? row[column] : row[`${factor[1]}_factors`][Number(factor[2])];
}

async function writeParquet(connection, rows, path) {
  const columns = Object.entries(COLUMNS);
  await connection.run(`CREATE OR REPLACE TABLE log (${columns.map(([name, type]) => `${name} ${type}`).join(', ')})`);
  const appender = await connection.createAppender('log');
  for (const row of rows) {
    for (const [name, type] of columns) {
      const value = cell(row, name);
      if (value === null) appender.appendNull();
      else if (Array.isArray(value)) appender.appendList(listValue(value), type);
      else appender.appendValue(value, type);
    }
    appender.endRow();
  }
  appender.closeSync();
  const target = path.replaceAll("'", "''");
  await connection.run(`COPY log TO '${target}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 19)`);
}

const { values } = parseArgs({ options: { out: { type: 'string' } } });
const folder = resolve(values.out ?? join(dirname(fileURLToPath(import.meta.url)), 'sample'));
mkdirSync(folder, { recursive: true });
const logs = simulateLogs(SEED, SIZE);
const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
const connection = await instance.connect();
for (const [name, rows] of [
  ['train', logs.train],
  ['eval', logs.evaluation],
]) {
  const path = join(folder, `${name}.parquet`);
  await writeParquet(connection, rows, path);
  process.stderr.write(`${path}: ${rows.length} rows, ${statSync(path).size} bytes\n`);
}
connection.closeSync();
