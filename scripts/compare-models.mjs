/**
 * Trains the multi-task models of clicks and conversions on logs whose clicks have a sequel, and prints their AUC as Markdown.
 *   node scripts/compare-models.mjs [--seeds 5] [--models mlp,esmm,…] [--threads N] [LOG …]
 * LOG is a recipe of data/recipes/conversions.json, which says what counts as a conversion; its settings are the recipe's, with the model's default
 * layers. The logs are in $PRERANK_SHARED/data (default ../shared/data).
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { ingest } from '../dist/data/index.js';
import { loadConfig, train } from '../dist/index.js';
import { ROOT } from './lib/root.mjs';

const RECIPES = join(ROOT, 'data', 'recipes');
const SHARED = resolve(process.env.PRERANK_SHARED ?? join(ROOT, '..', 'shared'), 'data');
const MODELS = ['mlp', 'shared-bottom', 'mmoe', 'ple', 'esmm', 'aitm', 'taml'];
const TASKS = ['ctr', 'cvr', 'ctcvr'];
const EMBEDDING_DIM = 16;

/** The recipe of that name as an object. */
function recipe(name) {
  const files = readdirSync(RECIPES, { recursive: true }).filter((file) => file.endsWith('.yaml'));
  return files.map((file) => parse(readFileSync(join(RECIPES, file), 'utf8'))).find((content) => content.name === name);
}

/** The recipe on the converted log, with a conversion and a model of clicks and conversions. */
function settings(name, log, kind, seed, threads) {
  const { data, training } = recipe(name);
  const source = (split) => ({ sql: log[split], directory: join(SHARED, log.directory) });
  return {
    data: {
      ...data,
      train: source('train'),
      eval: source('eval'),
      columns: { ...data.columns, conversion: 'conversion' },
    },
    model: { kind, embeddingDim: EMBEDDING_DIM },
    training: { ...training, seed, threads },
    evaluation: { metrics: ['auc', 'logLoss'] },
  };
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

function cell(values) {
  const center = mean(values);
  const squares = values.map((value) => (value - center) ** 2);
  const deviation = values.length < 2 ? 0 : Math.sqrt((mean(squares) * values.length) / (values.length - 1));
  return `${center.toFixed(4)} ± ${deviation.toFixed(4)}`;
}

/** AUC of every task, [seed] each. */
async function judge(folder, name, log, kind, { seeds, threads }) {
  const found = Object.fromEntries(TASKS.map((task) => [task, []]));
  for (let seed = 1; seed <= seeds; seed += 1) {
    const { data, ...rest } = settings(name, log, kind, seed, threads);
    const config = loadConfig({ ...rest, data: { ...data, train: folder, eval: undefined } });
    const run = mkdtempSync(join(folder, 'run-'));
    const { metrics } = await train(config, { out: run });
    for (const task of TASKS) found[task].push(metrics.eval[task].auc);
    rmSync(run, { recursive: true });
  }
  return found;
}

async function compare(name, log, options) {
  const folder = mkdtempSync(join(tmpdir(), 'prerank-models-'));
  try {
    await ingest(loadConfig(settings(name, log, 'esmm', 1, options.threads)), { out: folder });
    const lines = [`${log.title}:`, '', '| model | CTR | CVR | CTCVR |', '|---|---|---|---|'];
    for (const kind of options.models) {
      const found = await judge(folder, name, log, kind, options);
      lines.push(`| ${[kind, ...TASKS.map((task) => cell(found[task]))].join(' | ')} |`);
    }
    process.stdout.write(`${lines.join('\n')}\n\n`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string', default: '5' },
    models: { type: 'string', default: MODELS.join(',') },
    threads: { type: 'string', default: '1' },
  },
});
const logs = JSON.parse(readFileSync(join(RECIPES, 'conversions.json'), 'utf8'));
const names = positionals.length > 0 ? positionals : Object.keys(logs);
const missing = names.find((name) => !Object.hasOwn(logs, name) || !existsSync(join(SHARED, logs[name].directory)));
if (missing !== undefined) {
  process.stderr.write(`no log of ${missing}; there may be ${Object.keys(logs).join(', ')}, in ${SHARED}\n`);
  process.exit(2);
}
const options = { seeds: Number(values.seeds), models: values.models.split(','), threads: Number(values.threads) };
for (const name of names) await compare(name, logs[name], options);
