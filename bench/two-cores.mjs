/**
 * What two cores do together against one of them alone: multiply-adds and copies of a process on each core at once, over those of
 * one process alone. Near 2 on two cores; near 1 where the system's two processors are the two threads of one core.
 *
 * Usage: node bench/two-cores.mjs [--json]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadAddon } from '../dist/runtime/load.js';

const { values } = parseArgs({ options: { core: { type: 'string' }, json: { type: 'boolean', default: false } } });
/** Measurements of a process, of which the median counts: the first and last may have run while the other process did not. */
const REPETITIONS = 5;

async function measureHere(core) {
  const addon = loadAddon();
  addon.bench.pin([core]);
  process.stdout.write('ready\n');
  await once(process.stdin, 'data');
  const roofs = [];
  for (let i = 0; i < REPETITIONS; i += 1) roofs.push(await addon.bench.roof());
  const median = (of) => roofs.map(of).sort((a, b) => a - b)[Math.floor(REPETITIONS / 2)];
  process.stdout.write(
    `${JSON.stringify({ flops: median(({ flops }) => flops), copy: median(({ bandwidth }) => bandwidth.at(-1).copy) })}\n`,
  );
  process.stdin.destroy();
}

/** Starts a process on each core, lets them measure at once, and adds up what they reached. */
async function together(cores) {
  const children = cores.map((core) =>
    spawn(process.execPath, [fileURLToPath(import.meta.url), '--core', `${core}`], {
      stdio: ['pipe', 'pipe', 'inherit'],
    }),
  );
  await Promise.all(children.map((child) => once(child.stdout, 'data')));
  const results = children.map(async (child) => JSON.parse(String((await once(child.stdout, 'data'))[0])));
  for (const child of children) child.stdin.end('go\n');
  const measured = await Promise.all(results);
  const sum = (name) => measured.reduce((total, result) => total + result[name], 0);
  return { flops: sum('flops'), copy: sum('copy') };
}

if (values.core !== undefined) {
  await measureHere(Number(values.core));
} else {
  const cores = loadAddon().bench.allowedCores().slice(-2);
  if (cores.length < 2) throw new Error('this process may use one core only');
  const one = await together(cores.slice(-1));
  const two = await together(cores);
  const result = { bench: 'two-cores', one, two, ratio: { flops: two.flops / one.flops, copy: two.copy / one.copy } };
  const line = (name, unit) =>
    `${name}: ${(one[name] / 1e9).toFixed(1)} and ${(two[name] / 1e9).toFixed(1)} ${unit}, ${result.ratio[name].toFixed(2)} times\n`;
  process.stdout.write(
    values.json ? `${JSON.stringify(result, null, 2)}\n` : line('flops', 'GFLOP/s') + line('copy', 'GB/s copied'),
  );
}
