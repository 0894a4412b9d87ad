/**
 * Measures everything docs/performance.md states, writes bench/results/*.json and the page's measured part. About 20 minutes on a quiet
 * machine; the process is pinned to one core, or two where it says so.
 *
 * Usage: node bench/performance.mjs --python PYTHON [--only NAME,NAME] [--render]
 * PYTHON has torch and numpy. Names are those of the files in bench/results. `--render` measures nothing.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { pinToCores } from '../dist/bench/environment.js';
import { referenceStep } from '../dist/bench/reference-steps.js';
import { loadAddon } from '../dist/runtime/load.js';
import { renderPerformance } from './performance-text.mjs';
import { stepFloor } from './step-floor.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const RESULTS = join(here, 'results');
const PAGE = join(here, '..', 'docs', 'performance.md');
const STEPS = ['two-tower-d', 'dlrm-criteo', 'embedding-heavy'];

const { values } = parseArgs({
  options: {
    python: { type: 'string' },
    only: { type: 'string' },
    render: { type: 'boolean', default: false },
  },
});
if (values.python === undefined && !values.render) {
  process.stderr.write('usage: node bench/performance.mjs --python PYTHON [--only NAME,NAME] [--render]\n');
  process.exit(2);
}

/** What a command of ours prints with --json. */
function json(script, ...args) {
  const run = spawnSync(process.execPath, [join(here, script), ...args, '--json'], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (run.status !== 0) throw new Error(`${script} ${args.join(' ')} ended with ${run.status ?? run.signal}`);
  return JSON.parse(run.stdout);
}

const excluded = ['--loading', 'excluded'];
const twoThreads = ['--threads', '2'];
const against = (variants, config, ...args) =>
  json('peers/step.mjs', '--config', config, '--python', values.python, '--variants', variants, ...args);
const peers = (...args) => against('eager,onednn', ...args);
// Products in bfloat16 where the processor has tiles for them: elsewhere float32 may be faster.
const products = loadAddon().info().isa === 'amx' ? ['--matmul', 'bfloat16'] : [];
const narrow = (...args) => against('bf16', ...args, '--tables', 'bfloat16', ...products, ...excluded);
const bench = (...args) => json('../dist/cli/main.js', 'bench', ...args);

const MEASUREMENTS = {
  'peers-two-tower-d': () => peers('two-tower-d', '--steps', '6'),
  'peers-two-tower-d-rowwise': () => peers('two-tower-d', '--steps', '6', '--sparse', 'rowwise-adagrad', ...excluded),
  'peers-two-tower-d-16384': () => peers('two-tower-d', '--steps', '3', '--batch', '16384', ...excluded),
  'peers-two-tower-d-2-threads': () => peers('two-tower-d', '--steps', '6', ...twoThreads, ...excluded),
  'peers-dlrm-criteo': () => peers('dlrm-criteo', '--steps', '3', ...excluded),
  'peers-dlrm-criteo-2-threads': () => peers('dlrm-criteo', '--steps', '3', ...twoThreads, ...excluded),
  'peers-two-tower-d-bfloat16': () => narrow('two-tower-d', '--steps', '4', '--rounds', '3'),
  'peers-dlrm-criteo-bfloat16': () => narrow('dlrm-criteo', '--steps', '2', '--rounds', '3'),
  'peers-embedding-heavy-bfloat16': () => narrow('embedding-heavy', '--steps', '2', '--rounds', '3', '--batches', '2'),
  'peers-embedding-heavy': () => peers('embedding-heavy', '--steps', '2', '--batches', '2', ...excluded),
  'peers-embedding-heavy-2-threads': () =>
    peers('embedding-heavy', '--steps', '2', '--batches', '2', ...twoThreads, ...excluded),
  ...Object.fromEntries(
    STEPS.flatMap((name) => {
      const step = (...args) => bench('step', '--config', name, '--runs', '2', '--steps', '6', ...args);
      return [
        [`step-${name}`, () => step()],
        [`step-${name}-2-threads`, () => step(...twoThreads)],
      ];
    }),
  ),
  serve: () => bench('serve', '--requests', '500'),
  floor: async () => {
    const addon = loadAddon();
    const cores = addon.bench.allowedCores();
    pinToCores(addon, 1);
    // What the core does when nothing beside it slows it down: the best of several.
    const roofs = [];
    for (let i = 0; i < 5; i += 1) roofs.push(await addon.bench.roof());
    addon.bench.pin(cores);
    const roof = roofs.reduce((best, next) => (next.flops > best.flops ? next : best));
    return { bench: 'floor', roof, steps: STEPS.map((name) => stepFloor(referenceStep(name), roof)) };
  },
  'two-cores': () => json('two-cores.mjs'),
  instructions: () => json('instructions.mjs'),
};

mkdirSync(RESULTS, { recursive: true });
const names = values.only === undefined ? Object.keys(MEASUREMENTS) : values.only.split(',');
if (!values.render) {
  for (const name of names) {
    const measure = MEASUREMENTS[name];
    if (measure === undefined) throw new Error(`nothing is called ${name}`);
    const start = performance.now();
    const result = await measure();
    writeFileSync(
      join(RESULTS, `${name}.json`),
      `${JSON.stringify({ date: new Date().toISOString(), ...result }, null, 1)}\n`,
    );
    process.stderr.write(`${name}: ${((performance.now() - start) / 1000).toFixed(0)} s\n`);
  }
}
if (!values.render) {
  const format = spawnSync('npx', ['biome', 'format', '--write', RESULTS], { encoding: 'utf8' });
  if (format.status !== 0)
    throw new Error(`${RESULTS} could not be formatted: ${format.error?.message ?? format.stderr}`);
}
const results = Object.fromEntries(
  Object.keys(MEASUREMENTS)
    .map((name) => [name, join(RESULTS, `${name}.json`)])
    .filter(([, file]) => existsSync(file))
    .map(([name, file]) => [name, JSON.parse(readFileSync(file, 'utf8'))]),
);
const [before, rest] = readFileSync(PAGE, 'utf8').split('<!-- measured -->\n');
const after = rest?.split('<!-- end of measured -->\n')[1];
if (after === undefined) throw new Error(`${PAGE} has no measured part`);
const text = `${before}<!-- measured -->\n${renderPerformance(results)}<!-- end of measured -->\n${after}`;
writeFileSync(PAGE, text);
