/**
 * Trains the early-stage model on the sample logs, and a model of clicks alone for comparison; judges both by replay.
 *   node examples/01-quickstart/quickstart.mjs [--out runs/quickstart]
 */
import { rmSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';
import { loadConfig, train } from 'prerank';

const SAMPLE = fileURLToPath(new URL('../../data/sample', import.meta.url));
const CONFIG = join(SAMPLE, 'config.yaml');

/** What the production baseline learns from: clicks on what was shown. */
const CLICKS_ONLY = [
  'name=clicks-only',
  'tasks={ ctr: { weight: 1 } }',
  `data.train={ sql: "SELECT * FROM read_parquet('train.parquet') WHERE shown = 1", directory: "${SAMPLE}" }`,
];

/** Expected soft recall of a random ranker: it picks the mean total value k times. */
async function randomSoftRecall(path, k) {
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  const reader = await connection.runAndReadAll(`
    SELECT avg(least(${k}, n) * mean / best) AS recall FROM (
      SELECT count(*) AS n, avg(total_value::DOUBLE) AS mean,
             list_sum(list_sort(list(total_value::DOUBLE), 'DESC')[1:${k}]) AS best
      FROM read_parquet('${path.replaceAll("'", "''")}') GROUP BY request_id
    ) WHERE best > 0`);
  connection.closeSync();
  return Number(reader.getRows()[0][0]);
}

function printTable(head, rows) {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i].length)));
  const line = (cells) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('   ');
  console.log(line(head));
  console.log(widths.map((width) => '-'.repeat(width)).join('---'));
  for (const row of rows) console.log(line(row));
}

const number = (value) => (typeof value === 'number' ? value.toFixed(4) : '-');

async function trainModel(title, config, out) {
  console.log(`training ${title} …`);
  rmSync(out, { recursive: true, force: true });
  const summary = await train(config, { out });
  const rate = Math.round(summary.samplesPerSecond / 1000);
  console.log(
    `  ${summary.step} steps, ${summary.samples} samples in ${summary.trainSeconds.toFixed(1)} s (${rate} thousand a second)`,
  );
  return summary.metrics.eval;
}

const { values } = parseArgs({ options: { out: { type: 'string', default: 'runs/quickstart' } } });
const out = resolve(values.out);
const config = loadConfig(CONFIG);
const { k } = config.evaluation;
const multiTask = await trainModel('the early-stage model: clicks, quality, teacher', config, join(out, 'early-stage'));
const clicksOnly = await trainModel(
  'a model of clicks alone, on shown ads',
  loadConfig(CONFIG, { set: CLICKS_ONLY }),
  join(out, 'clicks-only'),
);
const random = await randomSoftRecall(join(SAMPLE, 'eval.parquet'), k);

const metricsRow = (title, result) => [
  title,
  number(result.ctr.ne),
  number(result.ctr.auc),
  number(result.cqs?.nmse),
  number(result.replay.softRecall),
];
console.log('\nJudged on 240 replayed requests of 60 ads each:\n');
printTable(
  ['', 'click NE', 'click AUC', 'CQS NMSE', `soft recall@${k}`],
  [
    ['random ranker', '1.0000', '0.5000', '1.0000', number(random)],
    metricsRow('clicks alone', clicksOnly),
    metricsRow('early-stage model', multiTask),
  ],
);
console.log(`
NE, NMSE: below 1 is better than the mean. Soft recall: the total value, as the final stage sees it, of the ${k} ads
the model passes on, relative to the best ${k}.

runs:  ${relative(process.cwd(), join(out, 'early-stage'))}  ${relative(process.cwd(), join(out, 'clicks-only'))}`);
