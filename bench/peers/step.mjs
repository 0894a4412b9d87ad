/**
 * The reference steps against PyTorch: the same rows, the same optimizers, in one run, alternating. Once with the data ready for both sides
 * (loading and sorting excluded), once with it gathered from shuffled columns for every batch.
 *
 * Usage: node bench/peers/step.mjs --config two-tower-d|dlrm-criteo|embedding-heavy --python PYTHON
 *          [--batch N] [--threads N] [--sparse adagrad|rowwise-adagrad] [--tables float32|bfloat16] [--variants eager,onednn,bf16,compile,bf16-compile]
 *          [--loading excluded,included] [--rounds 5] [--steps 10] [--batches 4] [--seed 1] [--json]
 * `--batches`: of rows, used again and again. Both sides hold the table rows that they touch: two batches of embedding-heavy fit 24 GiB.
 * PYTHON has torch (CPU wheels do) and numpy. The process pins itself and PyTorch to `--threads` cores.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeEnvironment, pinToCores } from '../../dist/bench/environment.js';
import { generateColumns } from '../../dist/bench/generated-data.js';
import { referenceStep } from '../../dist/bench/reference-steps.js';
import { referenceProblem } from '../../dist/bench/step-problem.js';
import { createStepProgram, Stepper } from '../../dist/bench/stepper.js';
import { loadAddon } from '../../dist/runtime/load.js';
import { compareSides, OURS, Peer, timeOurs, WARM_UP } from './peer.mjs';

/** glibc keeps freed memory: worth about 10 % to PyTorch. */
const TUNED_MALLOC = {
  MALLOC_MMAP_THRESHOLD_: '4294967296',
  MALLOC_TRIM_THRESHOLD_: '8589934592',
  MALLOC_TOP_PAD_: '268435456',
};

function readOptions() {
  const { values } = parseArgs({
    options: {
      config: { type: 'string' },
      python: { type: 'string' },
      batch: { type: 'string' },
      threads: { type: 'string', default: '1' },
      sparse: { type: 'string' },
      tables: { type: 'string', default: 'float32' },
      variants: { type: 'string', default: 'eager,onednn,bf16' },
      loading: { type: 'string', default: 'excluded,included' },
      rounds: { type: 'string', default: '5' },
      batches: { type: 'string', default: '4' },
      steps: { type: 'string', default: '10' },
      seed: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
    },
  });
  if (values.config === undefined || values.python === undefined) {
    process.stderr.write('usage: node bench/peers/step.mjs --config NAME --python PYTHON (the file says what else)\n');
    process.exit(2);
  }
  const step = referenceStep(values.config);
  const number = (name) => Number(values[name]);
  return {
    step,
    python: values.python,
    batch: values.batch === undefined ? step.batch : number('batch'),
    threads: number('threads'),
    sparse: values.sparse ?? step.sparse,
    tables: values.tables,
    variants: values.variants.split(','),
    loading: values.loading.split(','),
    batches: number('batches'),
    rounds: number('rounds'),
    steps: number('steps'),
    seed: number('seed'),
    json: values.json,
  };
}

/** Columns as raw files and problem.json, for step.py. */
function writeProblem(folder, options, problem) {
  const { step, batch, batches, seed, sparse } = options;
  const columns = new Map(
    generateColumns(step, batch * batches, seed).map((column) => [column.name, column.chunks[0]]),
  );
  const write = (name, values) => {
    writeFileSync(join(folder, name), new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    return name;
  };
  for (const [name, { values }] of columns) write(name, values);
  const features = new Map(step.features.features.map((feature) => [feature.name, feature]));
  const tables = problem.program.plan.tables;
  const description = {
    model: step.model,
    seed,
    sparse,
    batch,
    rows: batch * batches,
    rates: problem.rates,
    dense: problem.program.dense.map(({ columns: names }) => ({ width: names.length, columns: names })),
    ids: problem.program.plan.idInputs.map(({ name, multi, table }, i) => {
      const { column } = problem.program.ids[i];
      const offsets = multi ? write(`${column}.offsets`, columns.get(column).offsets) : null;
      return {
        name,
        side: features.get(name).side,
        values: column,
        offsets,
        rows: tables[table].rows,
        dim: tables[table].dim,
      };
    }),
    tasks: step.tasks.map(({ kind, weight }, i) => ({
      kind,
      weight,
      target: step.sources[i].target,
      mask: step.sources[i].traffic ?? null,
    })),
  };
  writeFileSync(join(folder, 'problem.json'), JSON.stringify(description));
}

/** By mode and side: seconds of each round's steps, and PyTorch's own phases. */
async function measure(addon, problem, options, peer) {
  const { variants, rounds, steps, threads, seed, loading: modes } = options;
  const stepper = new Stepper(createStepProgram(addon, problem, options), problem);
  const samples = {};
  const phases = {};
  for (let round = 0; round < rounds; round += 1) {
    for (const mode of modes) {
      const loading = mode === 'included';
      for (const variant of [OURS, ...variants]) {
        const result =
          variant === OURS
            ? { seconds: await timeOurs(addon, problem, stepper, { threads, seed, steps, loading }) }
            : await peer.ask({ variant, steps, loading, warmUp: WARM_UP });
        samples[mode] ??= {};
        samples[mode][variant] ??= [];
        samples[mode][variant].push(result.seconds);
        if (result.phases !== undefined) phases[variant] = result.phases;
      }
    }
  }
  return { samples, phases };
}

function conclude({ samples, phases }, batch) {
  const withPhases = (side) => ({ ...side, phases: phases[side.name] });
  return Object.fromEntries(
    Object.entries(samples).map(([mode, sides]) => [mode, compareSides(sides, batch).map(withPhases)]),
  );
}

function print(result) {
  const { config, batch, threads, sparse, tables, torch, modes, environment } = result;
  const lines = [
    `${config}, batch ${batch}, ${threads} thread(s), ${sparse} on ${tables}; torch ${torch}; ${environment.cpu}, ${environment.isa}`,
  ];
  for (const [mode, sides] of Object.entries(modes)) {
    lines.push('', `loading ${mode}`);
    for (const { name, seconds, samplesPerSecond, ratio, ratioLow, ratioHigh } of sides) {
      const times = `${(seconds.p50 * 1e3).toFixed(1)} ms [${(seconds.low * 1e3).toFixed(1)}, ${(seconds.high * 1e3).toFixed(1)}]`;
      const versus =
        name === OURS
          ? ''
          : `  prerank is ${ratio.toFixed(2)}x as fast (rounds ${ratioLow.toFixed(2)}-${ratioHigh.toFixed(2)})`;
      lines.push(`${name.padEnd(14)}${(samplesPerSecond / 1e3).toFixed(1).padStart(8)} k/s   ${times}${versus}`);
    }
  }
  process.stdout.write(`${lines.join('\n')}\n`);
}

const options = readOptions();
const addon = loadAddon();
pinToCores(addon, options.threads);
const { step, batch, batches, seed, sparse, tables } = options;
const problem = referenceProblem(addon, step, { batch, seed, sparse, batches, tables });
const folder = mkdtempSync(join(tmpdir(), 'prerank-peers-'));
try {
  writeProblem(folder, options, problem);
  const peer = await Peer.start('step.py', { ...options, env: TUNED_MALLOC }, folder);
  const measured = await measure(addon, problem, options, peer);
  peer.stop();
  const result = {
    bench: 'peers',
    config: step.name,
    batch,
    threads: options.threads,
    sparse,
    tables,
    seed,
    rounds: options.rounds,
    steps: options.steps,
    torch: peer.description.torch,
    modes: conclude(measured, batch),
    environment: describeEnvironment(addon),
  };
  if (options.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  else print(result);
} finally {
  rmSync(folder, { recursive: true });
}
