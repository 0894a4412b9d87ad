/**
 * Trains and evaluates recipes through the command line, three seeds each, and writes the table of results.
 *   node scripts/run-recipes.mjs [--seeds 3] [--out runs/recipes] [--write docs/results.md] [RECIPE …]
 * RECIPE is the name of a configuration in data/recipes. They read converted logs, named in data/recipes/reference.json,
 * in $PRERANK_SHARED/data (default ../shared/data).
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { capture } from './lib/process.mjs';
import { ROOT } from './lib/root.mjs';

const RECIPES = join(ROOT, 'data', 'recipes');
const SHARED = resolve(process.env.PRERANK_SHARED ?? join(ROOT, '..', 'shared'));
const CLI = join(ROOT, 'dist', 'cli', 'main.js');
/** A recipe reaches its reference when mean AUC is at most this much below it, or two standard deviations if that is more. */
const AUC_MARGIN = 0.002;
const NE_MARGIN = 0.003;

/** Path of every configuration in data/recipes, by its name. */
function configurations() {
  const files = readdirSync(RECIPES, { recursive: true }).filter((file) => file.endsWith('.yaml'));
  return new Map(files.map((file) => [parse(readFileSync(join(RECIPES, file), 'utf8')).name, join(RECIPES, file)]));
}

/** `--set` arguments that point a recipe at its converted logs. */
function sourceSettings(logs) {
  return Object.entries(logs).flatMap(([part, log]) => {
    if (typeof log === 'string') return ['--set', `data.${part}=${join(SHARED, 'data', log)}`];
    const directory = join(SHARED, 'data', log.directory);
    if (log.sql === undefined) return ['--set', `data.${part}.directory=${directory}`];
    return ['--set', `data.${part}=${JSON.stringify({ ...log, directory })}`];
  });
}

function prerank(args) {
  const result = capture(process.execPath, [CLI, ...args, '--json'], { cwd: ROOT });
  if (result.status !== 0) throw new Error(`prerank ${args.join(' ')}\n${result.output}`);
  return JSON.parse(result.stdout);
}

/** Trains one seed and returns what `prerank evaluate` says of the tasks. */
function runSeed(name, path, logs, seed, folder) {
  const run = join(folder, `${name}-${seed}`);
  rmSync(run, { recursive: true, force: true });
  prerank(['train', path, '--out', run, ...sourceSettings(logs), '--set', `training.seed=${seed}`]);
  return prerank(['evaluate', run]).tasks;
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

function deviation(values) {
  const center = mean(values);
  return values.length < 2 ? 0 : Math.sqrt(values.reduce((sum, v) => sum + (v - center) ** 2, 0) / (values.length - 1));
}

function statistics(runs, task, metric) {
  const values = runs.map((tasks) => tasks[task]?.[metric]).filter((value) => typeof value === 'number');
  return values.length === runs.length ? { mean: mean(values), sd: deviation(values) } : undefined;
}

const cell = (value) => (value === undefined ? '' : `${value.mean.toFixed(4)} ± ${value.sd.toFixed(4)}`);

function verdict(auc, ne, reference) {
  if (reference === undefined) return '';
  const margin = Math.max(AUC_MARGIN, 2 * reference.aucSd);
  const reached = auc.mean >= reference.auc - margin && ne.mean <= reference.ne + NE_MARGIN;
  return reached ? 'reached' : 'missed';
}

/** One table row per task of a recipe. */
function tableRows(name, runs, reference) {
  return Object.keys(runs[0]).map((task) => {
    const [auc, gauc, ne, nmse] = ['auc', 'gauc', 'ne', 'nmse'].map((metric) => statistics(runs, task, metric));
    const expected = reference?.[task];
    const cells = [
      name,
      task,
      cell(auc),
      expected?.auc.toFixed(4) ?? '',
      cell(gauc),
      cell(ne),
      expected?.ne.toFixed(4) ?? '',
      cell(nmse),
      verdict(auc, ne, expected),
    ];
    return `| ${cells.join(' | ')} |`;
  });
}

function document(rows, seeds) {
  return `# Results on public logs

Recipes of \`data/recipes/\` trained with \`prerank train\` and judged with \`prerank evaluate\` on the test file of a sample:
mean ± standard deviation of ${seeds} seeds. "PyTorch" is the same kind of model with the same settings in PyTorch 2.13.
A recipe has reached it when its mean AUC is at most 0.002 (or two standard deviations of PyTorch's seeds) below and its
NE at most 0.003 above. Recipes without a figure there run on samples too small, or too clean, to compare.

| recipe | task | AUC | PyTorch | GAUC | NE | PyTorch | NMSE | |
|---|---|---|---|---|---|---|---|---|
${rows.join('\n')}

\`node scripts/run-recipes.mjs --write docs/results.md\` makes this table again.
`;
}

/** What the page holds after the recipes' table: it stays. */
function furtherSections(path) {
  if (!existsSync(path)) return '';
  const page = readFileSync(path, 'utf8');
  const start = page.indexOf('\n## ');
  return start === -1 ? '' : page.slice(start);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string', default: '3' },
    out: { type: 'string', default: join(ROOT, 'runs', 'recipes') },
    write: { type: 'string' },
  },
});
if (!existsSync(join(SHARED, 'data'))) {
  process.stderr.write(`no logs in ${join(SHARED, 'data')}; set PRERANK_SHARED\n`);
  process.exit(2);
}
const reference = JSON.parse(readFileSync(join(RECIPES, 'reference.json'), 'utf8'));
const names = positionals.length > 0 ? positionals : Object.keys(reference);
const unknown = names.filter((name) => !Object.hasOwn(reference, name));
if (unknown.length > 0) {
  process.stderr.write(
    `no converted log for ${unknown.join(', ')}; there is one for ${Object.keys(reference).join(', ')}\n`,
  );
  process.exit(2);
}
const paths = configurations();
mkdirSync(values.out, { recursive: true });
const rows = [];
let missed = 0;
for (const name of names) {
  const { logs, pytorch } = reference[name];
  const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => i + 1);
  const runs = seeds.map((seed) => runSeed(name, paths.get(name), logs, seed, values.out));
  const lines = tableRows(name, runs, pytorch);
  missed += lines.filter((line) => line.includes('| missed |')).length;
  rows.push(...lines);
  console.log(lines.join('\n'));
}
if (values.write !== undefined) {
  mkdirSync(dirname(values.write), { recursive: true });
  writeFileSync(values.write, document(rows, values.seeds) + furtherSections(values.write));
}
process.exitCode = missed === 0 ? 0 : 1;
