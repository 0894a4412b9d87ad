/** Runs opened for evaluation, prediction and inspection. */
import { existsSync } from 'node:fs';
import { PrerankError } from '../base/errors.js';
import { loadConfig } from '../config/load.js';
import type { ResolvedConfig } from '../config/types.js';
import { readFeatureMap } from '../data/feature-map.js';
import type { FeatureMap } from '../data/features.js';
import { loadAddon } from '../runtime/load.js';
import type { Addon, NativeParameterStore } from '../runtime/native.js';
import { type AssembledModel, assembleModel, createStore, predictionPrograms, threadCount } from './assemble.js';
import { Checkpoints, restoreParameters } from './checkpoint.js';
import { Predictor } from './predictor.js';
import { type RunPaths, runPaths } from './run-folder.js';

export interface OpenRunOptions {
  /** Parameters of a checkpoint instead of the run's model. */
  readonly checkpoint?: 'last' | 'best' | number;
  /** Default: as configured. */
  readonly threads?: number;
  /** `auto`, `cpu` or `cuda:N`; default: as configured. */
  readonly device?: string;
}

/** What a run's files say, without its parameters. */
export interface RunDescription {
  readonly paths: RunPaths;
  readonly config: ResolvedConfig;
  readonly features: FeatureMap;
  readonly model: AssembledModel;
}

/** A run with its parameters loaded. */
export interface Run extends RunDescription {
  readonly addon: Addon;
  readonly store: NativeParameterStore;
  /** Step of the checkpoint; null: the run's model. */
  readonly step: number | null;
  readonly threads: number;
}

/** Reads configuration, feature map and architecture of a run. RUN_NOT_FOUND when the folder holds none. */
export function readRun(folder: string): RunDescription {
  const paths = runPaths(folder);
  for (const file of [paths.config, paths.features]) {
    if (!existsSync(file)) {
      throw new PrerankError('RUN_NOT_FOUND', `${folder} is no run: there is no ${file}`, { file });
    }
  }
  const config = loadConfig(paths.config);
  const features = readFeatureMap(paths.features);
  return { paths, config, features, model: assembleModel(config, features) };
}

/**
 * Opens a run: its configuration, feature map, architecture and parameters.
 * @throws PrerankError RUN_NOT_FOUND, CHECKPOINT_INVALID, CHECKPOINT_MISMATCH, DEVICE_UNAVAILABLE.
 */
export async function openRun(folder: string, options: OpenRunOptions = {}): Promise<Run> {
  const description = readRun(folder);
  const { features, model, paths } = description;
  const config = onDevice(description.config, options.device);
  const { path, step } = await parametersOf(paths, config, options.checkpoint);
  const addon = loadAddon();
  const store = createStore(addon, config, model.training.parameters, false);
  await restoreParameters(path, store);
  const pruned = { ...model, ...predictionPrograms(config, features, model, (name) => store.read(name)) };
  return {
    ...description,
    config,
    model: pruned,
    addon,
    store,
    step,
    threads: options.threads ?? threadCount(addon, config),
  };
}

/** A configuration as for another device, where matrices are multiplied in float32, with no algorithm to choose and no table elsewhere: every device has that. */
function onDevice(config: ResolvedConfig, device: string | undefined): ResolvedConfig {
  if (device === undefined) return config;
  return { ...config, training: { ...config.training, device, matmul: 'float32', autotune: false, hostTables: [] } };
}

async function parametersOf(
  paths: RunPaths,
  config: ResolvedConfig,
  checkpoint: OpenRunOptions['checkpoint'],
): Promise<{ readonly path: string; readonly step: number | null }> {
  if (checkpoint === undefined) {
    if (!existsSync(paths.modelTensors)) {
      throw new PrerankError('RUN_NOT_FOUND', 'the run has no model yet; resume it, or take a checkpoint', {
        file: paths.modelTensors,
      });
    }
    return { path: paths.modelTensors, step: null };
  }
  const checkpoints = new Checkpoints(paths.checkpoints, config.training.keepCheckpoints);
  const step = typeof checkpoint === 'number' ? checkpoint : await checkpoints[checkpoint]();
  if (step === null || !existsSync(checkpoints.path(step))) {
    throw new PrerankError('RUN_NOT_FOUND', `the run has no checkpoint ${checkpoint}`, { file: paths.checkpoints });
  }
  return { path: checkpoints.modelTensors(step), step };
}

/** A predictor with the run's parameters, for batches of the run's size or `rows`, whichever is less. */
export function createPredictor(run: Run, rows: number): Predictor {
  const batchSize = Math.min(run.config.training.batchSize, rows);
  return new Predictor(run.addon, run.model, run.store, { threads: run.threads, batchSize });
}
