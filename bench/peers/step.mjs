/**
 * The reference steps against PyTorch and TensorFlow.js: the same rows, the same optimizers, in one run, alternating. Once with the data ready for both sides
 * (loading and sorting excluded), once with it gathered from shuffled columns for every batch.
 *
 * Usage: node bench/peers/step.mjs --config two-tower-d|dlrm-criteo|embedding-heavy|dlrm-criteo-1tb|dcn-multihot --python PYTHON
 *          [--device cpu|cuda:N] [--matmul float32|tf32|bfloat16] [--batch N] [--threads N] [--sparse adagrad|rowwise-adagrad] [--tables float32|bfloat16|float16] [--variants eager,onednn,bf16,compile,bf16-compile,tfjs]
 *          [--loading excluded,included] [--rounds 5] [--steps 10] [--batches 4] [--seed 1] [--json]
 * `--batches`: of rows, used again and again. Both sides hold the table rows that they touch: two batches of embedding-heavy fit 24 GiB.
 * PYTHON has torch (CPU wheels do, for `--device cpu`) and numpy; the variant tfjs alone does without. The process pins itself and PyTorch to `--threads` cores.
 * The variant tfjs runs on the first of @tensorflow/tfjs-node-gpu, @tensorflow/tfjs-node and @tensorflow/tfjs that is installed, in this process, and is one of the default ones where
 * tfjs-node is: plain @tensorflow/tfjs takes minutes for a step of full size. Its Adagrad adds 1e-7 under the root where ours adds 1e-8 to it, and its gradients of lookups are as large as
 * the tables; it is skipped, with the reason, where it is not installed or lacks the optimizer (row-wise Adagrad).
 * On a GPU both sides use the same one, in turn; the variants are eager, tf32, bf16, compile, tf32-compile, bf16-compile. There PyTorch has batches that are
 * ready on the GPU already, while ours are copied and their ids sorted on the clock.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { trainingBatch } from '../../dist/bench/array-batches.js';
import { describeEnvironment, pinToCores } from '../../dist/bench/environment.js';
import { generateColumns } from '../../dist/bench/generated-data.js';
import { permutation, Random } from '../../dist/bench/random.js';
import { referenceStep } from '../../dist/bench/reference-steps.js';
import { referenceProblem } from '../../dist/bench/step-problem.js';
import { createStepProgram, Stepper } from '../../dist/bench/stepper.js';
import { TfjsStepper } from '../../dist/bench/tfjs-stepper.js';
import { resolveDevice } from '../../dist/runtime/device.js';
import { loadAddon } from '../../dist/runtime/load.js';
import { loadTfjs } from '../../dist/runtime/tfjs/load.js';
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

/** The variant that runs in this process. */
const TFJS = 'tfjs';

/** Those of TensorFlow.js's packages that compute natively. */
const TFJS_NATIVE = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'];

async function hasNativeTfjs() {
  try {
    await loadTfjs(TFJS_NATIVE);
    return true;
  } catch {
    return false;
  }
}

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

async function readOptions(addon) {
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
  if (values.config === undefined) {
    fail('usage: node bench/peers/step.mjs --config NAME --python PYTHON (the file says what else)');
  }
  const step = referenceStep(values.config);
  const number = (name) => Number(values[name]);
  const device = deviceOf(addon, values.device);
  const defaults = device === 'cpu' ? DEFAULTS.cpu : DEFAULTS.gpu;
  const variants = (values.variants ?? defaults.variants).split(',');
  if (values.variants === undefined && device === 'cpu' && (await hasNativeTfjs())) variants.push(TFJS);
  if (values.python === undefined && variants.some((variant) => variant !== TFJS)) fail('give --python PYTHON');
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

/** TensorFlow.js on the problem's rows, or why there is none. It starts from the problem's parameters. */
async function startTfjs(problem, options) {
  if (!options.variants.includes(TFJS)) return {};
  const { step, batch, batches, seed } = options;
  try {
    const stepper = await TfjsStepper.create(problem.program, problem.store, {
      ...problem.optimizers,
      rates: problem.rates,
    });
    const columns = generateColumns(step, batch * batches, seed);
    const rowsOf = (order, i) => Uint32Array.from({ length: batch }, (_, row) => order((i % batches) * batch + row));
    return {
      engine: stepper.engine,
      take: (i) =>
        trainingBatch(
          problem.program,
          step.sources,
          columns,
          rowsOf(permutation(batch * batches, new Random(seed + i)), i),
        ),
      run: (rows) => stepper.step(rows),
    };
  } catch (error) {
    return { skipped: error.message };
  }
}

/** Seconds of its steps. With `loading` false every batch is gathered before the clock starts. */
function timeTfjs({ take, run }, { steps, warmUp, loading }) {
  const total = warmUp + steps;
  const ready = loading ? [] : Array.from({ length: total }, (_, i) => take(i));
  const seconds = [];
  for (let i = 0; i < total; i += 1) {
    const start = performance.now();
    const loss = run(ready[i] ?? take(i));
    if (!Number.isFinite(loss)) throw new Error(`the loss of TensorFlow.js is ${loss}`);
    if (i >= warmUp) seconds.push((performance.now() - start) / 1e3);
  }
  return seconds;
}

/** By mode and side: seconds of each round's steps, and PyTorch's own phases. */
async function measure(addon, problem, options, { peer, tfjs }) {
  const { rounds, steps, warmUp, threads, seed, loading: modes } = options;
  const variants = options.variants.filter((variant) => variant !== TFJS || tfjs.skipped === undefined);
  const stepper = new Stepper(createStepProgram(addon, problem, options), problem);
  const samples = {};
  const phases = {};
  for (let round = 0; round < rounds; round += 1) {
    for (const mode of modes) {
      const loading = mode === 'included';
      for (const variant of [OURS, ...variants]) {
        const timed = { steps, loading, warmUp };
        const result =
          variant === OURS
            ? { seconds: await timeOurs(addon, problem, stepper, { threads, seed, ...timed }) }
            : variant === TFJS
              ? { seconds: timeTfjs(tfjs, timed) }
              : await peer.ask({ variant, ...timed });
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
  const { config, batch, threads, sparse, tables, device, gpu, matmul, torch, tfjs, modes, environment } = result;
  const place = gpu === undefined ? `${environment.cpu}, ${environment.isa}` : `${device}, ${gpu}`;
  const what = `${sparse} on ${tables}, products in ${matmul}`;
  const versions = [
    ...(torch === undefined ? [] : [`torch ${torch}`]),
    ...(tfjs?.engine === undefined
      ? []
      : [`${tfjs.engine.package} ${tfjs.engine.version} on its ${tfjs.engine.backend} backend`]),
  ];
  const lines = [`${config}, batch ${batch}, ${threads} thread(s), ${what}; ${[...versions, place].join('; ')}`];
  if (tfjs?.skipped !== undefined) lines.push(`tfjs was skipped: ${tfjs.skipped}`);
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
const options = await readOptions(addon);
pinToCores(addon, options.threads);
const { step, batch, batches, seed, sparse, tables, device, matmul } = options;
const problem = referenceProblem(addon, step, { batch, seed, sparse, batches, tables, device, matmul });
const folder = mkdtempSync(join(tmpdir(), 'prerank-peers-'));
try {
  let peer;
  if (options.variants.some((variant) => variant !== TFJS)) {
    writeProblem(folder, options, problem);
    peer = await Peer.start('step.py', { ...options, env: TUNED_MALLOC, more: [device] }, folder);
  }
  const tfjs = await startTfjs(problem, options);
  const measured = await measure(addon, problem, options, { peer, tfjs });
  peer?.stop();
  const result = {
    bench: 'peers',
    config: step.name,
    batch,
    threads: options.threads,
    sparse,
    tables,
    device,
    gpu: peer?.description.gpu,
    matmul,
    seed,
    rounds: options.rounds,
    steps: options.steps,
    torch: peer?.description.torch,
    ...(options.variants.includes(TFJS) ? { tfjs: { engine: tfjs.engine, skipped: tfjs.skipped } } : {}),
    modes: conclude(measured, batch),
    environment: describeEnvironment(addon),
  };
  if (options.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  else print(result);
} finally {
  rmSync(folder, { recursive: true });
}
