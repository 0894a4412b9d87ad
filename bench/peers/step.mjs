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
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { describeEnvironment, pinToCores } from '../../dist/bench/environment.js';
import { generateColumns } from '../../dist/bench/generated-data.js';
import { referenceStep } from '../../dist/bench/reference-steps.js';
import { summarize } from '../../dist/bench/statistics.js';
import { referenceProblem } from '../../dist/bench/step-problem.js';
import { createStepLoader, createStepProgram, Stepper } from '../../dist/bench/stepper.js';
import { loadAddon } from '../../dist/runtime/load.js';

/** Untimed steps before each measurement: what one side's loader did while the other ran does not count. */
const WARM_UP = 3;
const OURS = 'prerank';

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

/** The PyTorch process: one command a line, one answer a line. */
class Peer {
  static async start(options, folder) {
    const script = join(dirname(fileURLToPath(import.meta.url)), 'step.py');
    const env = { ...process.env, ...TUNED_MALLOC, OMP_NUM_THREADS: String(options.threads) };
    const child = spawn(options.python, ['-W', 'ignore', script, folder, String(options.threads)], {
      env,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const peer = new Peer(child, lines);
    peer.description = await peer.answer();
    return peer;
  }

  constructor(child, lines) {
    this.child = child;
    this.lines = lines;
  }

  async answer() {
    const { value, done } = await this.lines.next();
    if (done) throw new Error('PyTorch ended; what it said is above');
    return JSON.parse(value);
  }

  ask(command) {
    this.child.stdin.write(`${JSON.stringify(command)}\n`);
    return this.answer();
  }

  stop() {
    this.child.stdin.end();
  }
}

/** Our side: one program and store throughout. */
class Ours {
  constructor(addon, problem, options) {
    this.addon = addon;
    this.problem = problem;
    this.options = options;
    this.stepper = new Stepper(createStepProgram(addon, problem, options), problem);
  }

  /** With `loading` false every batch is assembled and sorted before the clock starts. */
  async run(steps, loading) {
    const { threads, seed } = this.options;
    const total = WARM_UP + steps;
    const loader = createStepLoader(this.addon, this.problem, {
      threads,
      seed,
      steps: total,
      prefetch: loading ? undefined : total,
    });
    try {
      while (!loading && loader.stats().assembled < total) await new Promise((resolve) => setTimeout(resolve, 20));
      await this.stepper.run(loader, WARM_UP);
      const { seconds } = await this.stepper.run(loader, steps);
      return { seconds };
    } finally {
      loader.close();
    }
  }
}

async function measure(options, ours, peer) {
  const { variants, rounds, steps, loading: modes } = options;
  const samples = {};
  const phases = {};
  for (let round = 0; round < rounds; round += 1) {
    for (const mode of modes) {
      const loading = mode === 'included';
      for (const variant of [OURS, ...variants]) {
        const result =
          variant === OURS
            ? await ours.run(steps, loading)
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

/** Per mode and side: the summary over all steps, each round's median, and our speed over the peer's with the range over rounds. */
function conclude({ samples, phases }, batch) {
  const conclude = (sides) => {
    const medians = Object.fromEntries(
      Object.entries(sides).map(([name, runs]) => [name, runs.map((seconds) => summarize(seconds).p50)]),
    );
    return Object.entries(sides).map(([name, runs]) => {
      const seconds = summarize(runs.flat());
      const ratios = medians[name].map((median, round) => median / medians[OURS][round]).sort((a, b) => a - b);
      return {
        name,
        seconds,
        samplesPerSecond: batch / seconds.p50,
        roundMedians: medians[name],
        ratio: summarize(ratios).p50,
        ratioLow: ratios[0],
        ratioHigh: ratios.at(-1),
        phases: phases[name],
      };
    });
  };
  return Object.fromEntries(Object.entries(samples).map(([mode, sides]) => [mode, conclude(sides)]));
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
  const peer = await Peer.start(options, folder);
  const measured = await measure(options, new Ours(addon, problem, options), peer);
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
