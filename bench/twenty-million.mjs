/**
 * A log of twenty million rows, from a Parquet file to a trained model: writes it, ingests it, trains one epoch; reports rows a second, peak
 * memory and the time that training waited for data. Each phase is a process of its own, so that its peak memory is its own.
 *
 * Usage: node bench/twenty-million.mjs [--rows 20000000] [--ids hash|vocabulary] [--threads N] [--folder DIR] [--json]
 * Needs about 600 bytes of disk a row in --folder (default: the system's temporary folder); everything is removed at the end.
 * Prints Markdown, or one JSON object with --json.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { describeEnvironment } from '../dist/bench/environment.js';
import { generatedLogConfig, writeGeneratedLog } from '../dist/bench/generated-log.js';
import { loadConfig } from '../dist/config/load.js';
import { ingest } from '../dist/data/index.js';
import { train } from '../dist/index.js';
import { loadAddon } from '../dist/runtime/load.js';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '20000000' },
    ids: { type: 'string', default: 'hash' },
    threads: { type: 'string', default: String(availableParallelism()) },
    folder: { type: 'string', default: tmpdir() },
    json: { type: 'boolean', default: false },
    phase: { type: 'string' },
    work: { type: 'string' },
  },
});
const rows = Number(values.rows);
const threads = Number(values.threads);

function paths(work) {
  return { log: join(work, 'log.parquet'), data: join(work, 'data'), run: join(work, 'run') };
}

function bytesOf(path) {
  if (!statSync(path).isDirectory()) return statSync(path).size;
  return readdirSync(path).reduce((sum, name) => sum + bytesOf(join(path, name)), 0);
}

/** What each phase does in its process, and what it says of it. */
const PHASES = {
  async write({ log }) {
    await writeGeneratedLog(log, rows);
    return { bytes: bytesOf(log) };
  },
  async ingest({ log, data }) {
    const { train: encoded } = await ingest(loadConfig(generatedLogConfig(log, values.ids)), {
      out: data,
      split: 'train',
      threads,
    });
    return { rows: encoded.rows, rejected: encoded.rejected, bytes: bytesOf(data) };
  },
  async train({ log, data, run }) {
    const config = generatedLogConfig(log, values.ids);
    const dataset = { ...config, data: { ...config.data, train: join(data, 'train') } };
    const summary = await train(loadConfig({ ...dataset, training: { ...config.training, threads } }), { out: run });
    const { step: steps, samples, samplesPerSecond, waitShare } = summary;
    return { status: summary.status, steps, samples, samplesPerSecond, waitShare };
  },
};

async function runPhase(name, work) {
  const start = performance.now();
  const result = await PHASES[name](paths(work));
  const seconds = (performance.now() - start) / 1000;
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  process.stdout.write(JSON.stringify({ seconds, rowsPerSecond: rows / seconds, peakBytes, ...result }));
}

/** A phase in a process of its own. */
function inProcess(phase, work) {
  process.stderr.write(`${phase}…\n`);
  const args = [fileURLToPath(import.meta.url), '--phase', phase, '--work', work];
  const passed = ['rows', 'ids', 'threads'].flatMap((name) => [`--${name}`, values[name]]);
  const child = spawn(process.execPath, [...args, ...passed], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (part) => {
    text += part;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve(JSON.parse(text)) : reject(new Error(`${phase} ended with code ${code}`)),
    );
  });
}

function markdown({ rows: count, ids, threads: used, phases, environment }) {
  const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
  const row = (name, phase, note) =>
    `| ${name} | ${phase.seconds.toFixed(1)} | ${Math.round(phase.rowsPerSecond)} | ${mebibytes(phase.peakBytes)} | ${note} |`;
  const { write, ingest: encoded, train: trained } = phases;
  return [
    `${count} rows, ids by ${ids}, ${used} thread(s); ${environment.cpu}, ${environment.isa}, prerank ${environment.versions.prerank} (${environment.commit ?? 'no commit'})`,
    '',
    '| phase | seconds | rows/s | peak memory | |',
    '|---|---|---|---|---|',
    row('write the log (DuckDB)', write, `${mebibytes(write.bytes)} of Parquet`),
    row('ingest', encoded, `${mebibytes(encoded.bytes)} of Arrow, ${encoded.rejected} rows rejected`),
    row(
      'train one epoch',
      trained,
      `${trained.steps} steps, waiting for data ${(trained.waitShare * 100).toFixed(2)} %`,
    ),
  ].join('\n');
}

if (values.phase !== undefined) {
  await runPhase(values.phase, values.work);
} else {
  const work = mkdtempSync(join(values.folder, 'prerank-twenty-million-'));
  try {
    const phases = {};
    for (const phase of Object.keys(PHASES)) phases[phase] = await inProcess(phase, work);
    const environment = describeEnvironment(loadAddon());
    const result = { bench: 'twenty-million', rows, ids: values.ids, threads, phases, environment };
    process.stdout.write(`${values.json ? JSON.stringify(result, null, 2) : markdown(result)}\n`);
  } finally {
    rmSync(work, { recursive: true });
  }
}
