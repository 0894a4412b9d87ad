/**
 * The reference steps against PyTorch: the same rows, the same optimizers, in one run, alternating. Once with the data ready for both sides
 * (loading and sorting excluded), once with it gathered from shuffled columns for every batch.
 *
 * Usage: node bench/peers/step.mjs --config two-tower-d|dlrm-criteo|embedding-heavy|dlrm-criteo-1tb|dcn-multihot --python PYTHON
 *          [--device cpu|cuda:N] [--matmul float32|tf32|bfloat16] [--batch N] [--threads N] [--sparse adagrad|rowwise-adagrad] [--tables float32|bfloat16] [--variants eager,onednn,bf16,compile,bf16-compile]
 *          [--loading excluded,included] [--rounds 5] [--steps 10] [--batches 4] [--seed 1] [--json]
 * `--batches`: of rows, used again and again. Both sides hold the table rows that they touch: two batches of embedding-heavy fit 24 GiB.
 * PYTHON has torch (CPU wheels do, for `--device cpu`) and numpy. The process pins itself and PyTorch to `--threads` cores.
 * On a GPU both sides use the same one, in turn; the variants are eager, tf32, bf16, compile, tf32-compile, bf16-compile. There PyTorch has batches that are
 * ready on the GPU already, while ours are copied and their ids sorted on the clock.
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
import { resolveDevice } from '../../dist/runtime/device.js';
import { loadAddon } from '../../dist/runtime/load.js';
import { compareSides, OURS, Peer, timeOurs, WARM_UP } from './peer.mjs';

/** glibc keeps freed memory: worth about 10 % to PyTorch. */
const TUNED_MALLOC = {
  MALLOC_MMAP_THRESHOLD_: '4294967296',
  MALLOC_TRIM_THRESHOLD_: '8589934592',
  MALLOC_TOP_PAD_: '268435456',
};

/** What an option is where it is not given. A GPU's steps are short, and its first ones capture graphs. */
const DEFAULTS = {
  cpu: { variants: 'eager,onednn,bf16', steps: '10', warmUp: WARM_UP },
  gpu: { variants: 'eager,tf32,bf16,compile,tf32-compile,bf16-compile', steps: '40', warmUp: 10 },
};

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}

/** The device, or the end: with what is missing for a GPU. */
function deviceOf(addon, name) {
  try {
    return resolveDevice(addon, name);
  } catch (error) {
    return fail(error.message);
  }
}

function readOptions(addon) {
  const { values } = parseArgs({
    options: {
      config: { type: 'string' },
      python: { type: 'string' },
      batch: { type: 'string' },
      threads: { type: 'string', default: '1' },
      sparse: { type: 'string' },
      tables: { type: 'string', default: 'float32' },
      device: { type: 'string', default: 'cpu' },
      matmul: { type: 'string', default: 'float32' },
      variants: { type: 'string' },
      loading: { type: 'string', default: 'excluded,included' },
      rounds: { type: 'string', default: '5' },
      batches: { type: 'string', default: '4' },
      steps: { type: 'string' },
      seed: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
    },
  });
  if (values.config === undefined || values.python === undefined) {
    fail('usage: node bench/peers/step.mjs --config NAME --python PYTHON (the file says what else)');
  }
  const step = referenceStep(values.config);
  const number = (name) => Number(values[name]);
  const device = deviceOf(addon, values.device);
  const defaults = device === 'cpu' ? DEFAULTS.cpu : DEFAULTS.gpu;
  const variants = (values.variants ?? defaults.variants).split(',');
  if (device !== 'cpu' && variants.includes('onednn')) fail('the variant onednn is for the CPU');
  return {
    step,
    device,
    matmul: values.matmul,
    warmUp: defaults.warmUp,
    python: values.python,
    batch: values.batch === undefined ? step.batch : number('batch'),
    threads: number('threads'),
    sparse: values.sparse ?? step.sparse,
    tables: values.tables,
    variants,
    loading: values.loading.split(','),
    batches: number('batches'),
    rounds: number('rounds'),
    steps: Number(values.steps ?? defaults.steps),
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
  const { variants, rounds, steps, warmUp, threads, seed, loading: modes } = options;
  const stepper = new Stepper(createStepProgram(addon, problem, options), problem);
  const samples = {};
  const phases = {};
  for (let round = 0; round < rounds; round += 1) {
    for (const mode of modes) {
      const loading = mode === 'included';
      for (const variant of [OURS, ...variants]) {
        const result =
          variant === OURS
            ? { seconds: await timeOurs(addon, problem, stepper, { threads, seed, steps, loading, warmUp }) }
            : await peer.ask({ variant, steps, loading, warmUp });
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
  const { config, batch, threads, sparse, tables, device, gpu, matmul, torch, modes, environment } = result;
  const place =
    gpu === undefined ? `${environment.cpu}, ${environment.isa}` : `${device}, ${gpu}, products in ${matmul}`;
  const lines = [`${config}, batch ${batch}, ${threads} thread(s), ${sparse} on ${tables}; torch ${torch}; ${place}`];
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

const addon = loadAddon();
const options = readOptions(addon);
pinToCores(addon, options.threads);
const { step, batch, batches, seed, sparse, tables, device, matmul } = options;
const problem = referenceProblem(addon, step, { batch, seed, sparse, batches, tables, device, matmul });
const folder = mkdtempSync(join(tmpdir(), 'prerank-peers-'));
try {
  writeProblem(folder, options, problem);
  const peer = await Peer.start('step.py', { ...options, env: TUNED_MALLOC, more: [device] }, folder);
  const measured = await measure(addon, problem, options, peer);
  peer.stop();
  const result = {
    bench: 'peers',
    config: step.name,
    batch,
    threads: options.threads,
    sparse,
    tables,
    device,
    gpu: peer.description.gpu,
    matmul,
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
