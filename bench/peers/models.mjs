/**
 * The multi-task models of clicks and conversions against the same models in PyTorch: the same first parameters, rows and optimizers, in one run,
 * alternating, with the batches ready on both sides. The losses of the first step are compared before anything is timed.
 *
 * Usage: node bench/peers/models.mjs --python PYTHON [--models mlp,shared-bottom,mmoe,ple,esmm,aitm,taml] [--embedding-dim 5]
 *          [--batch 2000] [--threads 1] [--variants eager,onednn] [--rounds 7] [--steps 12] [--seed 1] [--json]
 * Features are the 18 ids of Ali-CCP with its vocabulary sizes (AITM's preprocessing).
 * PYTHON has torch (CPU wheels do) and numpy. The process pins itself and PyTorch to `--threads` cores.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeEnvironment, pinToCores } from '../../dist/bench/environment.js';
import { generateColumns } from '../../dist/bench/generated-data.js';
import { DENSE_SETTINGS, SPARSE_SETTINGS } from '../../dist/bench/step-problem.js';
import { createStepLoader, createStepProgram, Stepper } from '../../dist/bench/stepper.js';
import { loadConfig } from '../../dist/config/load.js';
import { DERIVED_LABELS, ROLE_COLUMNS } from '../../dist/data/features.js';
import { trainingProgram } from '../../dist/models/registry.js';
import { loadAddon } from '../../dist/runtime/load.js';
import { TASK_STATS } from '../../dist/runtime/native.js';
import { resolveTasks } from '../../dist/train/tasks.js';
import { compareSides, OURS, Peer, timeOurs, WARM_UP } from './peer.mjs';

const MODELS = ['mlp', 'shared-bottom', 'mmoe', 'ple', 'esmm', 'aitm', 'taml'];
const VOCABULARIES = [238635, 98, 14, 3, 8, 4, 4, 3, 5, 467298, 6929, 263942, 106399, 5888, 104830, 51878, 37148, 4];
/** Share of impressions that are clicked, and of clicks that convert. */
const CLICKS = 0.04;
const CONVERSIONS = 0.05;
const RATES = { dense: 1e-3, sparse: 1e-2 };
const BATCHES = 4;

function readOptions() {
  const { values } = parseArgs({
    options: {
      python: { type: 'string' },
      models: { type: 'string', default: MODELS.join(',') },
      'embedding-dim': { type: 'string', default: '5' },
      batch: { type: 'string', default: '2000' },
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
    dim: number('embedding-dim'),
    batch: number('batch'),
    threads: number('threads'),
    variants: values.variants.split(','),
    rounds: number('rounds'),
    steps: number('steps'),
    seed: number('seed'),
    json: values.json,
  };
}

function featureMap(dim) {
  const names = VOCABULARIES.map((_, i) => `c${i}`);
  return {
    version: 1,
    features: names.map((name) => ({
      name,
      side: 'ad',
      source: name,
      column: `feature.${name}`,
      kind: 'categorical',
      table: name,
      pooling: 'sum',
    })),
    tables: names.map((name, i) => ({
      name,
      rows: VOCABULARIES[i],
      dim,
      mapping: { kind: 'hash', valueType: 'int', buckets: VOCABULARIES[i] },
    })),
    cqs: null,
  };
}

/** Ids, and clicks and conversions that are as rare as on Ali-CCP, but for the conversions: a batch should have some. */
function makeColumns(features, { batch, seed }) {
  const rows = batch * BATCHES;
  const columns = generateColumns({ features, listLength: { min: 1, max: 1 } }, rows, seed);
  const uniform = columns.find(({ name }) => name === ROLE_COLUMNS.finalCtr.column).chunks[0].values;
  const clicked = Float32Array.from(uniform, (u) => Number(u < CLICKS));
  const converted = Float32Array.from(uniform, (u) => Number(u < CLICKS * CONVERSIONS));
  const label = (name, values) => ({ name, type: 'float32', chunks: [{ values, rows }] });
  return [
    ...columns.filter(({ name }) => name.startsWith('feature.')),
    label(ROLE_COLUMNS.click.column, clicked),
    label(
      DERIVED_LABELS.cvr,
      converted.map((y, i) => (clicked[i] === 1 ? y : Number.NaN)),
    ),
    label(DERIVED_LABELS.ctcvr, converted),
  ];
}

function configOf(kind, features, dim) {
  return loadConfig({
    data: {
      train: 'generated',
      columns: { click: 'click', conversion: 'conversion' },
      features: { ad: features.features.map(({ name }) => ({ name, kind: 'categorical' })) },
    },
    model: { kind, embeddingDim: dim },
  });
}

/** Our side of one model: what `prerank train` would make of its configuration. */
function ourProblem(addon, kind, features, columns, options) {
  const config = configOf(kind, features, options.dim);
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
    seed: options.seed,
  });
  return {
    config,
    name: kind,
    batch: options.batch,
    program,
    store,
    dataset: new addon.Dataset(columns, []),
    loader: { shuffle: 'none', tasks: program.sources.map((name) => tasks.find((task) => task.name === name).source) },
    clip: { norm: 0, scope: 'dense' },
    rates: RATES,
  };
}

/** The rows as raw files, for models.py. */
function writeRows(folder, columns, options) {
  for (const { name, chunks } of columns) {
    const { values } = chunks[0];
    writeFileSync(join(folder, name), new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  const description = {
    rows: options.batch * BATCHES,
    batch: options.batch,
    dim: options.dim,
    rates: RATES,
    fields: VOCABULARIES.map((rows, i) => ({ column: `feature.c${i}`, table: `c${i}`, rows })),
    click: ROLE_COLUMNS.click.column,
    ctcvr: DERIVED_LABELS.ctcvr,
  };
  writeFileSync(join(folder, 'problem.json'), JSON.stringify(description));
}

/** A model's first parameters as raw files. */
function writeParameters(folder, { config, store }) {
  const parameters = store.parameters().map(({ name, shape }, i) => {
    const file = `parameter.${i}`;
    const values = store.read(name);
    writeFileSync(join(folder, file), new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    return { name, shape, file };
  });
  return { model: config.model, parameters };
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

function print({ batch, dim, threads, torch, environment, models }) {
  const milliseconds = (seconds) => (seconds * 1e3).toFixed(2);
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const others = (sides) => sides.filter(({ name }) => name !== OURS);
  const rows = models.map(({ model, sides }) => {
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
  });
  const names = others(models[0].sides).map(({ name }) => name);
  const head = ['model', 'ms a step', 'rows/s', ...names.flatMap((name) => [`PyTorch ${name}, ms`, 'ratio'])];
  const about = `batch ${batch}, dimension ${dim}, ${threads} thread(s); torch ${torch}; ${environment.cpu}, ${environment.isa}`;
  process.stdout.write(`${[about, '', line(head), `|${'---|'.repeat(head.length)}`, ...rows].join('\n')}\n`);
}

const options = readOptions();
const addon = loadAddon();
pinToCores(addon, options.threads);
const features = featureMap(options.dim);
const columns = makeColumns(features, options);
const folder = mkdtempSync(join(tmpdir(), 'prerank-peers-'));
try {
  writeRows(folder, columns, options);
  const peer = await Peer.start('models.py', options, folder);
  const models = [];
  for (const kind of options.models) {
    const problem = ourProblem(addon, kind, features, columns, options);
    const description = writeParameters(folder, problem);
    models.push(await compareModel(addon, peer, kind, problem, description, options));
  }
  peer.stop();
  const { batch, dim, threads, seed, rounds, steps } = options;
  const environment = describeEnvironment(addon);
  const result = {
    bench: 'model-peers',
    batch,
    dim,
    threads,
    seed,
    rounds,
    steps,
    torch: peer.description.torch,
    environment,
    models,
  };
  if (options.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  else print(result);
} finally {
  rmSync(folder, { recursive: true });
}
