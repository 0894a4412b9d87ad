/**
 * Own logs: CSV files, one YAML file, a trained model, predictions in Parquet.
 *   node examples/02-own-logs/own-logs.mjs [--out runs/02-own-logs]
 * The CSV files are cut from the sample logs here; in their place could be any CSV, JSON, Parquet or Arrow files.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';
import { loadConfig, openRun, predict, train } from 'prerank';

const SAMPLE = fileURLToPath(new URL('../../data/sample', import.meta.url));
const CONFIG = fileURLToPath(new URL('config.yaml', import.meta.url));
const COLUMNS = 'ts, user_id, country, age, user_clicks_30d, ad_id, advertiser_id, ad_price, device, click';

const { values } = parseArgs({ options: { out: { type: 'string', default: 'runs/02-own-logs' } } });
const out = resolve(values.out);
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

const connection = await (await DuckDBInstance.create(':memory:')).connect();
for (const [file, source] of [
  ['train.csv', 'train.parquet'],
  ['test.csv', 'eval.parquet'],
]) {
  await connection.run(
    `COPY (SELECT ${COLUMNS} FROM '${join(SAMPLE, source)}' WHERE shown = 1) TO '${join(out, file)}' (HEADER)`,
  );
}

const config = loadConfig(CONFIG, {
  set: [`data.train=${join(out, 'train.csv')}`, `data.eval=${join(out, 'test.csv')}`],
});
const run = join(out, 'run');
const summary = await train(config, { out: run });
console.log(`click AUC on the test file: ${summary.metrics.eval.click.auc.toFixed(4)}`);

const scores = join(out, 'scores.parquet');
await predict(await openRun(run), { input: [join(out, 'test.csv')], output: scores });
const preview = await connection.runAndReadAll(`SELECT * FROM '${scores}' LIMIT 3`);
console.log(`scores of the test file in ${scores}, for example:`);
console.log(preview.getRowObjectsJson());
connection.closeSync();
