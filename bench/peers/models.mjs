/**
 * Models against the same models in PyTorch: the same first parameters, rows and optimizers, in one run, alternating, with the batches ready on both
 * sides. The losses of the first step are compared before anything is timed.
 *
 * Usage: node bench/peers/models.mjs --python PYTHON [--models mlp,shared-bottom,mmoe,ple,esmm,aitm,taml,vector-product,cold,fscd,ecm,ecmm]
 *          [--batch N] [--threads 1] [--variants eager,onednn] [--rounds 7] [--steps 12] [--seed 1] [--json]
 * model-families.mjs says what they are trained on. PYTHON has torch (CPU wheels do) and numpy. The process pins itself and PyTorch to `--threads` cores.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeEnvironment, pinToCores } from '../../dist/bench/environment.js';
import { DENSE_SETTINGS, SPARSE_SETTINGS } from '../../dist/bench/step-problem.js';
import { createStepLoader, createStepProgram, Stepper } from '../../dist/bench/stepper.js';
import { fieldCosts } from '../../dist/models/fscd.js';
import { trainingProgram } from '../../dist/models/registry.js';
import { loadAddon } from '../../dist/runtime/load.js';
import { TASK_STATS } from '../../dist/runtime/native.js';
import { gateNoise } from '../../dist/runtime/tfjs/philox.js';
import { resolveTasks } from '../../dist/train/tasks.js';
import { FAMILIES } from './model-families.mjs';
import { compareSides, OURS, Peer, timeOurs, WARM_UP } from './peer.mjs';

const RATES = { dense: 1e-3, sparse: 1e-2 };
const BATCHES = 4;
const MODELS = FAMILIES.flatMap(({ models }) => models);

function readOptions() {
  const { values } = parseArgs({
    options: {
      python: { type: 'string' },
      models: { type: 'string', default: MODELS.join(',') },
      batch: { type: 'string' },
      threads: { type: 'string', default: '1' },
      variants: { type: 'string', default: 'eager,onednn' },
      rounds: { type: 'string', default: '7' },
      steps: { type: 'string', default: '12' },
      seed: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
    },
  });
  const models = values.models.split(',');
  const unknown = models.find((model) => !MODELS.includes(model));
  if (values.python === undefined || unknown !== undefined) {
    process.stderr.write(
      `usage: node bench/peers/models.mjs --python PYTHON (the file says what else); models: ${MODELS.join(', ')}\n`,
    );
    process.exit(2);
  }
  const number = (name) => Number(values[name]);
  return {
    models,
    python: values.python,
    batch: values.batch === undefined ? undefined : number('batch'),
    threads: number('threads'),
    variants: values.variants.split(','),
    rounds: number('rounds'),
    steps: number('steps'),
    seed: number('seed'),
    json: values.json,
  };
}

/** Our side of one model: what `prerank train` would make of its configuration. */
function ourProblem(addon, family, kind, { features, columns, batch, seed }) {
  const config = family.config(kind, features);
  const names = new Set(columns.map(({ name }) => name));
  const tasks = resolveTasks(config, features, names);
  const program = trainingProgram(
    config.model,
    features,
    tasks.map(({ model }) => model),
  );
  const store = new addon.ParameterStore({
    parameters: program.parameters,
    sparse: { kind: 'adagrad', ...SPARSE_SETTINGS },
    dense: { kind: 'adam', ...DENSE_SETTINGS },
    training: true,
    seed,
  });
  return {
    config,
    name: kind,
    batch,
    program,
    store,
    dataset: new addon.Dataset(columns, []),
    loader: { shuffle: 'none', tasks: program.sources.map((name) => tasks.find((task) => task.name === name).source) },
    clip: { norm: 0, scope: 'dense' },
    rates: RATES,
  };
}

/** The rows as raw files, for models.py. */
function writeRows(folder, family, { features, columns, batch }) {
  for (const { name, chunks } of columns) {
    const { values } = chunks[0];
    writeFileSync(join(folder, name), new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  const fields = features.features.map(({ name, side, column }) => {
    return { table: name, side, column, rows: features.tables.find((table) => table.name === name).rows };
  });
  const description = { rows: batch * BATCHES, batch, rates: RATES, fields, labels: family.labels };
  writeFileSync(join(folder, 'problem.json'), JSON.stringify(description));
}

/** logit u of the first step's gates, by layer. */
function firstNoise({ plan }, seed) {
  const gates = plan.segments.flatMap(({ ops }) => ops).filter(({ kind }) => kind === 'hardConcrete');
  return Object.fromEntries(
    gates.map(({ id, layer, outputs: [gate] }) => {
      const [count] = plan.values[gate].shape;
      return [layer, [...gateNoise({ seed, step: 0, operation: id }, count)]];
    }),
  );
}

/** A model, its first parameters as raw files, and what it draws in the first step. */
function writeParameters(folder, { config, program, store }, { features, seed }) {
  const parameters = store.parameters().map(({ name, shape }, i) => {
    const file = `parameter.${i}`;
    const values = store.read(name);
    writeFileSync(join(folder, file), new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    return { name, shape, file };
  });
  const { model } = config;
  const costs = model.kind === 'fscd' ? fieldCosts(model, features) : [];
  return { model, parameters, costs, noise: firstNoise(program, seed) };
}

/** Our total loss on the first batch, at the first parameters. */
async function firstLoss(addon, problem, options) {
  const loader = createStepLoader(addon, problem, { threads: options.threads, seed: options.seed, steps: 1 });
  const program = createStepProgram(addon, problem, options);
  try {
    const rates = { denseLr: Float64Array.of(0), sparseLr: Float64Array.of(0) };
    const { stats } = await program.run(loader, { firstStep: 0, ...rates });
    const sums = (task, name) => stats[task * TASK_STATS.length + TASK_STATS.indexOf(name)];
    const mean = (task) => (sums(task, 'weight') > 0 ? sums(task, 'loss') / sums(task, 'weight') : 0);
    return problem.program.plan.tasks.reduce((total, { weight }, task) => total + weight * mean(task), 0);
  } finally {
    loader.close();
  }
}

const LOSS_TOLERANCE = 1e-5;

async function compareModel(addon, peer, kind, problem, description, options) {
  const loss = await firstLoss(addon, problem, options);
  const peerLoss = (await peer.ask({ load: description })).loss;
  if (!(Math.abs(loss - peerLoss) < LOSS_TOLERANCE * Math.abs(loss))) {
    throw new Error(`${kind}: the first loss is ${loss} here and ${peerLoss} in PyTorch`);
  }
  const stepper = new Stepper(createStepProgram(addon, problem, options), problem);
  const { steps, variants } = options;
  const sides = Object.fromEntries([OURS, ...variants].map((side) => [side, []]));
  for (let round = 0; round < options.rounds; round += 1) {
    for (const [side, rounds] of Object.entries(sides)) {
      rounds.push(
        side === OURS
          ? await timeOurs(addon, problem, stepper, options)
          : (await peer.ask({ variant: side, steps, warmUp: WARM_UP })).seconds,
      );
    }
  }
  return { model: kind, loss, peerLoss, sides: compareSides(sides, options.batch) };
}

function print({ threads, rounds, torch, environment, families }) {
  const milliseconds = (seconds) => (seconds * 1e3).toFixed(2);
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const others = (sides) => sides.filter(({ name }) => name !== OURS);
  const rowOf = ({ model, sides }) => {
    const { seconds, samplesPerSecond } = sides.find(({ name }) => name === OURS);
    return line([
      model,
      milliseconds(seconds.p50),
      `${(samplesPerSecond / 1e3).toFixed(0)} k`,
      ...others(sides).flatMap(({ seconds: of, ratio, ratioLow, ratioHigh }) => [
        milliseconds(of.p50),
        `${ratio.toFixed(2)} (${ratioLow.toFixed(2)} to ${ratioHigh.toFixed(2)})`,
      ]),
    ]);
  };
  const lines = [`${threads} thread(s), ${rounds} rounds; torch ${torch}; ${environment.cpu}, ${environment.isa}`];
  for (const { family, batch, models } of families) {
    const names = others(models[0].sides).map(({ name }) => name);
    const head = ['model', 'ms a step', 'rows/s', ...names.flatMap((name) => [`PyTorch ${name}, ms`, 'ratio'])];
    lines.push('', `${family}, batch ${batch}`, '', line(head), `|${'---|'.repeat(head.length)}`, ...models.map(rowOf));
  }
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** The chosen models of one family, with a PyTorch of their own. */
async function compareFamily(addon, family, options) {
  const { seed } = options;
  const batch = options.batch ?? family.batch;
  const features = family.features();
  const data = { features, columns: family.columns(features, batch * BATCHES, seed), batch, seed };
  const folder = mkdtempSync(join(tmpdir(), 'prerank-peers-'));
  try {
    writeRows(folder, family, data);
    const peer = await Peer.start('models.py', options, folder);
    const models = [];
    for (const kind of options.models.filter((model) => family.models.includes(model))) {
      const problem = ourProblem(addon, family, kind, data);
      const description = writeParameters(folder, problem, data);
      models.push(await compareModel(addon, peer, kind, problem, description, { ...options, batch }));
    }
    peer.stop();
    return { torch: peer.description.torch, family: family.name, batch, models };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const options = readOptions();
const addon = loadAddon();
pinToCores(addon, options.threads);
const chosen = FAMILIES.filter(({ models }) => models.some((model) => options.models.includes(model)));
const found = [];
for (const family of chosen) found.push(await compareFamily(addon, family, options));
const { threads, seed, rounds, steps } = options;
const result = {
  bench: 'model-peers',
  threads,
  seed,
  rounds,
  steps,
  torch: found[0].torch,
  environment: describeEnvironment(addon),
  families: found.map(({ family, batch, models }) => ({ family, batch, models })),
};
if (options.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
else print(result);
