/**
 * Trains a model here and in PyTorch (parity.py), on the same batches from the same parameters, and compares losses and final parameters. Rows in
 * which rounding would decide about a ReLU are left out of the loss on all sides; PyTorch's float64 finds them.
 * `--out` has problem.json, initial.safetensors, batches.safetensors, left-out.json, final.safetensors and losses.json after it.
 *
 * Usage: node bench/peers/parity.mjs --python PYTHON --model two-tower|dlrm --sparse adagrad|rowwise-adagrad --out DIR
 *          [--steps 100] [--batch 512] [--threads 1]
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { trainingProgram } from '../../dist/models/registry.js';
import { loadAddon } from '../../dist/runtime/load.js';
import { TASK_STATS } from '../../dist/runtime/native.js';
import { writeSafetensors } from '../../dist/train/safetensors.js';

const DENSE = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, initialAccumulator: 0, l2: 0, momentum: 0, weightDecay: 0 };
const SPARSE = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, initialAccumulator: 0, l2: 0 };
const RATES = { denseLr: 1e-3, sparseLr: 0.02 };

/** mulberry32: a small seeded generator of uniform numbers in [0, 1). */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function featureMap() {
  const dense = (name, side) => ({
    name,
    side,
    kind: 'dense',
    source: name,
    column: `feature.${name}`,
    transforms: [],
    mean: 0,
    std: 1,
  });
  const ids = (name, side, kind, table, pooling = 'sum') => ({
    name,
    side,
    kind,
    source: name,
    column: `feature.${name}`,
    table,
    pooling,
  });
  const table = (name, rows) => ({ name, rows, dim: 16, mapping: { kind: 'hash', valueType: 'int', buckets: rows } });
  return {
    version: 1,
    features: [
      dense('u0', 'user'),
      dense('u1', 'user'),
      dense('u2', 'user'),
      ids('country', 'user', 'categorical', 'country'),
      ids('device', 'user', 'categorical', 'device'),
      ids('recent_ads', 'user', 'multi', 'ad_id', 'mean'),
      dense('a0', 'ad'),
      dense('a1', 'ad'),
      ids('ad_id', 'ad', 'categorical', 'ad_id'),
      ids('keywords', 'ad', 'multi', 'keyword', 'sum'),
    ],
    tables: [table('country', 37), table('device', 11), table('ad_id', 500), table('keyword', 300)],
    cqs: null,
  };
}

const MODELS = {
  'two-tower': {
    kind: 'two-tower',
    embeddingDim: 16,
    bottom: [32, 16],
    interaction: { kind: 'dot', keepVectors: true },
    tower: { hidden: [64], out: 32 },
    merge: 'concat+hadamard',
    heads: { hidden: [32] },
  },
  dlrm: {
    kind: 'dlrm',
    embeddingDim: 16,
    bottom: [32, 16],
    interaction: { kind: 'dot', keepVectors: true },
    top: { hidden: [64, 32] },
  },
};

const TASKS = [
  { name: 'ctr', kind: 'bce', weight: 1, delta: 1 },
  { name: 'cqs', kind: 'mse', weight: 1.5, delta: 1 },
  { name: 'teacher', kind: 'bce', weight: 2, delta: 1 },
];

/** A batch with learnable labels: half of the rows carry no click. Ids are skewed so that rows repeat. */
function makeBatch(random, program, rows) {
  const dense = program.plan.denseInputs.map(({ width }) =>
    Float32Array.from({ length: rows * width }, () => random() * 2 - 1),
  );
  const ids = program.plan.idInputs.map(({ multi, table }) => {
    const skewed = () => Math.floor(random() ** 3 * program.plan.tables[table].rows);
    if (!multi) return { ids: Uint32Array.from({ length: rows }, skewed) };
    const offsets = new Uint32Array(rows + 1);
    for (let row = 0; row < rows; row += 1) offsets[row + 1] = offsets[row] + Math.floor(random() * 8);
    return { ids: Uint32Array.from({ length: offsets[rows] }, skewed), offsets };
  });
  const targets = TASKS.map(() => new Float32Array(rows));
  const taskMask = new Uint32Array(rows);
  for (let row = 0; row < rows; row += 1) {
    const signal = dense[0][row * program.plan.denseInputs[0].width] + (ids[0].ids[row] % 3) - 1;
    const p = 1 / (1 + Math.exp(-signal));
    targets[0][row] = random() < p ? 1 : 0;
    targets[1][row] = signal * 0.3 + random() * 0.1;
    targets[2][row] = p;
    taskMask[row] = random() < 0.5 ? 7 : 6;
  }
  return { rows, dense, ids, targets, taskMask };
}

function batchTensors(prefix, batch) {
  const tensor = (name, values, shape = [values.length]) => ({
    name: `${prefix}.${name}`,
    shape,
    read: () => (values instanceof Float32Array ? values : Float32Array.from(values)),
  });
  return [
    ...batch.dense.map((values, i) => tensor(`dense.${i}`, values, [batch.rows, values.length / batch.rows])),
    ...batch.ids.flatMap(({ ids, offsets }, i) => [
      tensor(`ids.${i}`, ids),
      ...(offsets === undefined ? [] : [tensor(`offsets.${i}`, offsets)]),
    ]),
    ...batch.targets.map((values, i) => tensor(`targets.${i}`, values)),
    tensor('taskMask', batch.taskMask),
  ];
}

function storeTensors(store) {
  return store.parameters().map(({ name, shape }) => ({ name, shape, read: () => store.read(name) }));
}

/** A command of parity.py on the folder; ends this process if it fails. */
function runPeer(python, command, folder) {
  const script = join(dirname(fileURLToPath(import.meta.url)), 'parity.py');
  const { status, error } = spawnSync(python, [script, command, folder], { stdio: 'inherit' });
  if (error !== undefined) throw error;
  if (status !== 0) process.exit(1);
}

const { values: options } = parseArgs({
  options: {
    python: { type: 'string' },
    model: { type: 'string', default: 'two-tower' },
    sparse: { type: 'string', default: 'adagrad' },
    out: { type: 'string' },
    steps: { type: 'string', default: '100' },
    batch: { type: 'string', default: '512' },
    threads: { type: 'string', default: '1' },
  },
});
if (options.python === undefined || options.out === undefined || !(options.model in MODELS)) {
  console.error(
    'usage: node bench/peers/parity.mjs --python PYTHON --model NAME --sparse NAME --out DIR (the file says more)',
  );
  process.exit(2);
}
const [steps, rows, threads] = [options.steps, options.batch, options.threads].map(Number);
const features = featureMap();
const program = trainingProgram(MODELS[options.model], features, TASKS);
const addon = loadAddon();
const store = new addon.ParameterStore({
  parameters: program.parameters,
  sparse: { kind: options.sparse, ...SPARSE },
  dense: { kind: 'adam', ...DENSE },
  training: true,
  seed: 7,
});
const native = new addon.Program(program.plan, store, { threads, capacity: rows, seed: 7 });

mkdirSync(options.out, { recursive: true });
const file = (name) => join(options.out, name);
await writeSafetensors(file('initial.safetensors'), storeTensors(store));
const random = generator(11);
const batches = Array.from({ length: steps }, () => makeBatch(random, program, rows));
await writeSafetensors(
  file('batches.safetensors'),
  batches.flatMap((batch, step) => batchTensors(`${step}`, batch)),
);

writeFileSync(
  file('problem.json'),
  JSON.stringify({
    model: MODELS[options.model],
    tasks: TASKS,
    steps,
    rows,
    sparse: { kind: options.sparse, epsilon: SPARSE.epsilon },
    rates: RATES,
    idInputs: program.plan.idInputs.map(({ name, multi, table }, i) => ({
      name,
      multi,
      table: program.plan.tables[table].name,
      pooling: program.ids[i].pooling,
      side: features.features.find((feature) => feature.name === name).side,
    })),
    denseInputs: program.plan.denseInputs.map(({ name, width }) => ({ name, width })),
  }),
);
runPeer(options.python, 'steady', options.out);
const leftOut = JSON.parse(readFileSync(file('left-out.json'), 'utf8'));
const losses = [];
for (const [step, batch] of batches.entries()) {
  for (const row of leftOut[step]) batch.taskMask[row] = 0;
  const stats = await native.step(batch, { step, ...RATES, update: true });
  losses.push(
    TASKS.map((_, task) => {
      const at = task * TASK_STATS.length;
      return stats[at] / stats[at + 1];
    }),
  );
}
await writeSafetensors(file('final.safetensors'), storeTensors(store));
writeFileSync(file('losses.json'), JSON.stringify(losses));
runPeer(options.python, 'compare', options.out);
