/** Opens the parts of a training run, and resumes it when asked: data, model, store, programs, loader, files. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PrerankError } from '../base/errors.js';
import { writeJsonDurable, writeTextDurable } from '../base/files.js';
import { loadConfig, toYaml } from '../config/load.js';
import { hasEvaluationData, type ResolvedConfig } from '../config/types.js';
import { type FeatureMap, ROLE_COLUMNS } from '../data/features.js';
import { type DeviceName, resolveDevice } from '../runtime/device.js';
import { loadAddon } from '../runtime/load.js';
import type { Addon, NativeLoader } from '../runtime/native.js';
import { type AssembledModel, assembleModel, createStore, describeModel, threadCount } from './assemble.js';
import { Checkpoints, restoreCheckpoint, type TrainingState, type Versions } from './checkpoint.js';
import { type EncodedSet, openSet } from './encoded-set.js';
import { EncodingDisplay } from './encoding-display.js';
import { differences, fingerprint, trajectoryConfig } from './fingerprint.js';
import type { Progress } from './progress.js';
import { MetricsLog, prepareRunFolder, type RunPaths } from './run-folder.js';
import { type Parts, Session } from './session.js';
import { startFrom } from './start-from.js';
import { taskSamples } from './task-samples.js';
import { type ResolvedTask, resolveTasks } from './tasks.js';

export interface SessionOptions {
  readonly resume: boolean;
  readonly log?: Progress | undefined;
}

/** @throws what reading the data, the model and a checkpoint may throw. */
export async function openSession(config: ResolvedConfig, out: string, options: SessionOptions): Promise<Session> {
  checkEarlyStopping(config);
  const paths = await prepareRunFolder(out, options.resume);
  const addon = loadAddon();
  checkSameConfig(config, paths);
  const sets = await encodeSets(addon, config, paths, options.log);
  const model = assembleModel(config, sets.train.features, taskSamples(config, sets.train));
  const tasks = resolveTasks(config, sets.train.features, sets.train.columns);
  const threads = threadCount(addon, config);
  const device = resolveDevice(addon, config.training.device);
  const store = createStore(addon, config, model.training.parameters, true);
  const settings = {
    threads,
    capacity: Math.min(config.training.batchSize, sets.train.rows),
    seed: config.training.seed,
  };
  const { norm: clipNorm, scope: clipScope } = config.training.clip;
  const program = new addon.Program(model.training.plan, store, { ...settings, clipNorm, clipScope });
  const diagnosis = model.diagnosis === null ? null : new addon.Program(model.diagnosis.plan, store, settings);
  const loader = createLoader(addon, config, sets.train, { model, tasks, threads, device });
  const parts: Parts = {
    config,
    paths,
    addon,
    train: sets.train,
    eval: sets.eval,
    model,
    store,
    program,
    diagnosis,
    loader,
    checkpoints: new Checkpoints(paths.checkpoints, config.training.keepCheckpoints),
    fingerprints: {
      config: fingerprint(trajectoryConfig(config)),
      model: fingerprint(store.parameters()),
      features: fingerprint(sets.train.features),
      data: sets.train.fingerprint,
    },
    versions: versionsOf(addon, threads, device),
  };
  const last = options.resume ? await parts.checkpoints.last() : null;
  const state = last === null ? null : await resume(parts, last, options.log);
  const { startFrom: search } = config.training;
  if (state === null && search !== undefined) await startFrom(search, config.model, sets.train.features, store);
  const metrics = await MetricsLog.open(paths.metrics, state?.metricsBytes ?? 0);
  await writeTextDurable(paths.config, toYaml(config));
  await writeJsonDurable(paths.features, sets.train.features);
  await writeJsonDurable(paths.modelDescription, describeModel(config, model));
  return new Session(parts, metrics, state);
}

function checkEarlyStopping(config: ResolvedConfig): void {
  if (config.training.earlyStopping !== undefined && !hasEvaluationData(config)) {
    throw new PrerankError('CONFIG_INVALID', 'early stopping needs evaluation data: give data.eval or data.split', {
      path: 'training.earlyStopping',
    });
  }
}

function checkSameConfig(config: ResolvedConfig, paths: RunPaths): void {
  if (!existsSync(paths.config)) {
    return;
  }
  const changed = differences(trajectoryConfig(loadConfig(paths.config)), trajectoryConfig(config));
  if (changed.length > 0) {
    throw new PrerankError(
      'CHECKPOINT_MISMATCH',
      `the run was started with another configuration (${changed.join('; ')}); resume with the same one, or start a new run`,
      { file: paths.config },
    );
  }
}

/** The splits as encoded datasets under the run's folder; one that is there already and fits is taken as it is. */
async function encodeSets(
  addon: Addon,
  config: ResolvedConfig,
  paths: RunPaths,
  log: Progress | undefined,
): Promise<{ readonly train: EncodedSet; readonly eval: EncodedSet | null }> {
  const display = log && new EncodingDisplay(log);
  const open = (split: 'train' | 'eval', features?: FeatureMap): Promise<EncodedSet> =>
    openSet(addon, {
      config,
      split,
      folder: join(paths.data, split),
      features,
      onProgress: display && ((progress) => display.update(split, progress)),
    });
  const train = await open('train');
  return { train, eval: hasEvaluationData(config) ? await open('eval', train.features) : null };
}

function createLoader(
  addon: Addon,
  config: ResolvedConfig,
  set: EncodedSet,
  use: {
    readonly model: AssembledModel;
    readonly tasks: readonly ResolvedTask[];
    readonly threads: number;
    readonly device: DeviceName;
  },
): NativeLoader {
  const { model, tasks, threads, device } = use;
  const { batchSize, epochs, steps, seed } = config.training;
  const weight = ROLE_COLUMNS.weight.column;
  return new addon.Loader(set.native, {
    batchSize,
    shuffle: config.data.shuffle,
    windowRows: config.data.windowRows,
    seed,
    epochs: epochs ?? steps ?? 1,
    threads,
    training: true,
    tableIndex: device === 'cpu',
    weight: set.columns.has(weight) ? weight : undefined,
    dense: model.training.dense,
    ids: model.training.ids,
    tasks: model.training.sources.map((name) => sourceOf(tasks, name)),
  });
}

function sourceOf(tasks: readonly ResolvedTask[], name: string): ResolvedTask['source'] {
  const task = tasks.find((candidate) => candidate.name === name);
  if (task === undefined) throw new PrerankError('INTERNAL', `a loss takes the rows of ${name}, which is no task`);
  return task.source;
}

function versionsOf(addon: Addon, threads: number, device: DeviceName): Versions {
  const { version, isa } = addon.info();
  return { prerank: version, node: process.version, isa, threads, device };
}

async function resume(parts: Parts, step: number, log: Progress | undefined): Promise<TrainingState> {
  const { checkpoints, store, loader, fingerprints, versions } = parts;
  const path = checkpoints.path(step);
  const state = await restoreCheckpoint(path, store);
  for (const part of ['features', 'data'] as const) {
    if (state.fingerprints[part] !== fingerprints[part]) {
      throw new PrerankError('CHECKPOINT_MISMATCH', `the training data changed since this checkpoint (its ${part})`, {
        file: path,
      });
    }
  }
  for (const change of differences(state.versions, versions)) {
    log?.line(`resuming with another ${change}: the result may differ in the last bits`);
  }
  resumeTuning(parts, state, log);
  loader.seek(state.cursor);
  return state;
}

/** The algorithms of products that the checkpoint was made with, where they are known and can be used. */
function resumeTuning({ config, program }: Parts, { tuning }: TrainingState, log: Progress | undefined): void {
  const { autotune } = config.training;
  if (!autotune && tuning === undefined) return;
  if (autotune && tuning !== undefined && program.useTuning(tuning)) return;
  const names = [tuning?.fits ?? 'no autotune', autotune ? program.tuning().fits : 'no autotune'];
  log?.line(
    `resuming with other algorithms of matrix products (${names.join(' → ')}): the result may differ in the last bits`,
  );
}
