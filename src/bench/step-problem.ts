/** What a step benchmark trains: a reference step on generated rows, or any configuration on its own log. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../config/load.js';
import type { DenseOptimizerConfig, SparseOptimizerConfig } from '../config/types.js';
import { ROLE_COLUMNS } from '../data/features.js';
import type { ModelProgram } from '../models/model.js';
import { trainingProgram } from '../models/registry.js';
import { type DeviceName, deviceSpec, resolveDevice } from '../runtime/device.js';
import type {
  Addon,
  DenseOptimizerSettings,
  LoaderSpec,
  MatmulPrecision,
  NativeDataset,
  NativeParameterStore,
  SparseOptimizerSettings,
  TableType,
} from '../runtime/native.js';
import { assembleModel, createStore } from '../train/assemble.js';
import { openSet } from '../train/encoded-set.js';
import { taskSamples } from '../train/task-samples.js';
import { resolveTasks } from '../train/tasks.js';
import { generateColumns } from './generated-data.js';
import type { ReferenceStep } from './reference-steps.js';

/** A model, its parameters and the rows it trains on. */
export interface StepProblem {
  readonly name: string;
  readonly batch: number;
  readonly program: ModelProgram;
  readonly store: NativeParameterStore;
  readonly dataset: NativeDataset;
  /** What of the loader depends on the problem. */
  readonly loader: Pick<LoaderSpec, 'shuffle' | 'windowRows' | 'weight' | 'tasks'>;
  readonly clip: { readonly norm: number; readonly scope: 'dense' | 'all' };
  readonly rates: { readonly dense: number; readonly sparse: number };
  readonly tableType: TableType;
  readonly device: DeviceName;
  readonly matmul: MatmulPrecision;
  readonly autotune: boolean;
  readonly optimizers: { readonly dense: DenseOptimizerConfig['kind']; readonly sparse: SparseOptimizerConfig['kind'] };
  /** Lets go of temporary files. */
  readonly close: () => Promise<void>;
}

/** Batches of generated rows, used again and again: enough that a batch finds no caches warmed by itself. */
export const GENERATED_BATCHES = 8;

export const DENSE_SETTINGS: Omit<DenseOptimizerSettings, 'kind'> = {
  momentum: 0,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  initialAccumulator: 0,
  l2: 0,
  weightDecay: 0,
};

export const SPARSE_SETTINGS: Omit<SparseOptimizerSettings, 'kind'> = {
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  initialAccumulator: 0,
  l2: 0,
};

export interface ReferenceOptions {
  readonly batch?: number;
  readonly seed: number;
  /** Batches of generated rows; default GENERATED_BATCHES. */
  readonly batches?: number;
  /** Instead of the step's own. */
  readonly sparse?: SparseOptimizerConfig['kind'];
  /** What tables hold; default: float32, or what the configuration says. */
  readonly tables?: TableType;
  /** auto, cpu or cuda:N; default: cpu, or what the configuration says. */
  readonly device?: string;
  /** Default: float32, or what the configuration says. */
  readonly matmul?: MatmulPrecision;
  /** Default: false, or what the configuration says. */
  readonly autotune?: boolean;
}

export function referenceProblem(addon: Addon, step: ReferenceStep, options: ReferenceOptions): StepProblem {
  const { seed, batch = step.batch, batches = GENERATED_BATCHES, sparse = step.sparse, tables = 'float32' } = options;
  const { matmul = 'float32', autotune = false } = options;
  const device = resolveDevice(addon, options.device ?? 'cpu');
  const program = trainingProgram(step.model, step.features, step.tasks);
  const store = new addon.ParameterStore({
    parameters: program.parameters,
    sparse: { kind: sparse, ...SPARSE_SETTINGS },
    dense: { kind: step.dense, ...DENSE_SETTINGS },
    tableType: tables,
    device: deviceSpec(device, { matmul, autotune }),
    training: true,
    seed,
  });
  return {
    name: step.name,
    batch,
    program,
    store,
    dataset: new addon.Dataset(generateColumns(step, batch * batches, seed), []),
    loader: { shuffle: 'full', tasks: step.sources },
    clip: { norm: 0, scope: 'dense' },
    rates: { dense: 1e-3, sparse: 1e-2 },
    tableType: tables,
    device,
    matmul,
    autotune,
    optimizers: { sparse, dense: step.dense },
    close: async () => undefined,
  };
}

/** Encodes the training log of a configuration into a temporary folder. @throws what reading it may throw. */
export async function configProblem(addon: Addon, path: string, options: ReferenceOptions): Promise<StepProblem> {
  const loaded = loadConfig(path);
  const { seed, batch = loaded.training.batchSize, sparse = loaded.training.sparseOptimizer.kind } = options;
  const { training } = loaded;
  const { tables = training.tableType, device = training.device } = options;
  const { matmul = training.matmul, autotune = training.autotune } = options;
  const config = {
    ...loaded,
    training: {
      ...training,
      seed,
      tableType: tables,
      device,
      matmul,
      autotune,
      sparseOptimizer: { ...training.sparseOptimizer, kind: sparse },
    },
  };
  const folder = await mkdtemp(join(tmpdir(), 'prerank-bench-'));
  try {
    const set = await openSet(addon, { config, split: 'train', folder });
    const model = assembleModel(config, set.features, taskSamples(config, set));
    const weight = ROLE_COLUMNS.weight.column;
    return {
      name: config.name,
      batch: Math.min(batch, set.rows),
      program: model.training,
      store: createStore(addon, config, model.training.parameters, true),
      dataset: set.native,
      loader: {
        shuffle: config.data.shuffle,
        windowRows: config.data.windowRows,
        weight: set.columns.has(weight) ? weight : undefined,
        tasks: resolveTasks(config, set.features, set.columns).map(({ source }) => source),
      },
      clip: training.clip,
      rates: { dense: training.denseOptimizer.lr, sparse: training.sparseOptimizer.lr },
      tableType: tables,
      device: resolveDevice(addon, config.training.device),
      matmul,
      autotune,
      optimizers: { sparse, dense: training.denseOptimizer.kind },
      close: async () => {
        set.close();
        await rm(folder, { recursive: true });
      },
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}
