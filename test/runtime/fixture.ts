/** A small model with a table, and a dataset in memory to train it on. */
import { compile, concat, embedding, Graph, mlp } from '../../src/graph/index.js';
import { loadAddon } from '../../src/runtime/load.js';
import type {
  ArrayBatch,
  LoaderSpec,
  NativeDataset,
  NativeLoader,
  NativeParameterStore,
  NativeProgram,
  ProgramSettings,
  RunRequest,
  StoreSpec,
} from '../../src/runtime/native.js';

const TABLE_ROWS = 50;

function graphOf(training: boolean) {
  const graph = new Graph();
  const x = graph.input('x', 'row', 2);
  const ad = embedding(graph, 'ad', { table: { name: 'ad', rows: TABLE_ROWS, dim: 4 }, domain: 'row' });
  const logits = mlp(concat([x, ad], 'features'), 'top', { sizes: [8, 1] });
  const losses = training ? [{ name: 'click', kind: 'bce' as const, weight: 1, delta: 1, logits }] : undefined;
  return compile({ graph, outputs: { logits }, losses });
}

export const TRAINING = graphOf(true);
export const PREDICTION = graphOf(false);

export const STORE: StoreSpec = {
  parameters: TRAINING.parameters,
  sparse: { kind: 'rowwise-adagrad', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, initialAccumulator: 0, l2: 0 },
  dense: {
    kind: 'adam',
    momentum: 0,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    initialAccumulator: 0,
    l2: 0,
    weightDecay: 0,
  },
  training: true,
  seed: 3,
};

export const SETTINGS: ProgramSettings = { threads: 2, capacity: 512, seed: 3 };

export function makeStore(): NativeParameterStore {
  return new (loadAddon().ParameterStore)(STORE);
}

export function makeTrainer(store: NativeParameterStore, settings: Partial<ProgramSettings> = {}): NativeProgram {
  return new (loadAddon().Program)(TRAINING.plan, store, { ...SETTINGS, ...settings });
}

export function makePredictor(store: NativeParameterStore): NativeProgram {
  return new (loadAddon().Program)(PREDICTION.plan, store, SETTINGS);
}

/** Rows whose label follows the first dense feature and the ad. */
export function makeColumns(rows: number) {
  const x0 = Float32Array.from({ length: rows }, (_, r) => Math.sin(r * 1.7));
  const x1 = Float32Array.from({ length: rows }, (_, r) => Math.cos(r * 0.3));
  const ad = Uint32Array.from({ length: rows }, (_, r) => (r * 7) % TABLE_ROWS);
  const click = Float32Array.from({ length: rows }, (_, r) => ((x0[r] ?? 0) + ((ad[r] ?? 0) % 2) > 0.5 ? 1 : 0));
  return { x0, x1, ad, click };
}

export function makeDataset(rows: number): NativeDataset {
  const { x0, x1, ad, click } = makeColumns(rows);
  return new (loadAddon().Dataset)(
    [
      { name: 'x0', type: 'float32', chunks: [{ values: x0, rows }] },
      { name: 'x1', type: 'float32', chunks: [{ values: x1, rows }] },
      { name: 'ad', type: 'uint32', chunks: [{ values: ad, rows }] },
      { name: 'click', type: 'float32', chunks: [{ values: click, rows }] },
    ],
    [],
  );
}

export function makeLoader(dataset: NativeDataset, spec: Partial<LoaderSpec> = {}): NativeLoader {
  return new (loadAddon().Loader)(dataset, {
    batchSize: 256,
    shuffle: 'none',
    seed: 1,
    epochs: 1,
    threads: 1,
    training: true,
    dense: [{ domain: 'row', columns: ['x0', 'x1'] }],
    ids: [{ domain: 'row', column: 'ad', multi: false, pooling: 'sum', table: 0, tableRows: TABLE_ROWS }],
    tasks: [{ target: 'click', probability: true }],
    ...spec,
  });
}

export function makeBatch(rows: number): ArrayBatch {
  const { x0, x1, ad, click } = makeColumns(rows);
  const dense = new Float32Array(rows * 2);
  x0.forEach((value, row) => {
    dense[row * 2] = value;
    dense[row * 2 + 1] = x1[row] ?? 0;
  });
  return { rows, dense: [dense], ids: [{ ids: ad }], taskMask: new Uint32Array(rows).fill(1), targets: [click] };
}

export function runRequest(steps: number, firstStep = 0): RunRequest {
  return {
    firstStep,
    denseLr: new Float64Array(steps).fill(0.01),
    sparseLr: new Float64Array(steps).fill(0.05),
  };
}
