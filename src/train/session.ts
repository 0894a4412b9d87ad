/** The parts of one training run, opened, and resumed when asked: data, model, store, programs, loader, files. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PrerankError } from '../base/errors.js';
import { writeJsonDurable, writeTextDurable } from '../base/files.js';
import { loadConfig, toYaml } from '../config/load.js';
import { hasEvaluationData, type ResolvedConfig } from '../config/types.js';
import { type FeatureMap, ROLE_COLUMNS } from '../data/features.js';
import type { DeviceName } from '../runtime/device.js';
import { loadAddon } from '../runtime/load.js';
import type { Addon, NativeLoader, NativeParameterStore, NativeProgram, RunResult } from '../runtime/native.js';
import {
  type AssembledModel,
  assembleModel,
  createStore,
  describeModel,
  parameterCount,
  runDevice,
  threadCount,
} from './assemble.js';
import { type BalancingFigures, balancingFigures, type GradientFigures, gradientFigures } from './balancing.js';
import { Checkpoints, type Fingerprints, restoreCheckpoint, type TrainingState, type Versions } from './checkpoint.js';
import { EarlyStopping, metricDirection } from './early-stopping.js';
import { type EncodedSet, openSet } from './encoded-set.js';
import { EncodingDisplay } from './encoding-display.js';
import { evaluateSet } from './evaluate-set.js';
import type { EvaluationResult } from './evaluation-result.js';
import { differences, fingerprint, trajectoryConfig } from './fingerprint.js';
import { type GateMeans, meansOver } from './gates.js';
import { Predictor } from './predictor.js';
import type { Progress } from './progress.js';
import { MetricsLog, prepareRunFolder, type RunPaths } from './run-folder.js';
import { startFrom } from './start-from.js';
import { taskSamples } from './task-samples.js';
import { type ResolvedTask, resolveTasks, type TaskModel } from './tasks.js';
import { MetricWindow } from './window.js';

export interface SessionOptions {
  readonly resume: boolean;
  readonly log?: Progress | undefined;
}

/** Everything but the state that changes as training goes on. */
interface Parts {
  readonly config: ResolvedConfig;
  readonly paths: RunPaths;
  readonly addon: Addon;
  readonly train: EncodedSet;
  readonly eval: EncodedSet | null;
  readonly model: AssembledModel;
  readonly store: NativeParameterStore;
  readonly program: NativeProgram;
  readonly diagnosis: NativeProgram | null;
  readonly loader: NativeLoader;
  readonly checkpoints: Checkpoints;
  readonly fingerprints: Fingerprints;
  readonly versions: Versions;
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
  const device = runDevice(addon, config);
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

/** A run under way: its parts, and the state that a checkpoint stores. */
export class Session {
  readonly #parts: Parts;
  readonly metrics: MetricsLog;
  readonly window: MetricWindow;
  readonly earlyStopping: EarlyStopping | null;
  /** Steps done. */
  step: number;
  /** Step whose parameters the store holds; behind `step` once the best ones are restored. */
  modelStep: number;
  samples: number;
  seconds: number;
  waitSeconds: number;
  #predictor: Predictor | null = null;

  constructor(parts: Parts, metrics: MetricsLog, state: TrainingState | null) {
    this.#parts = parts;
    this.metrics = metrics;
    this.window = new MetricWindow(parts.model.training.plan.tasks, state?.window);
    const stopping = parts.config.training.earlyStopping;
    this.earlyStopping =
      stopping === undefined
        ? null
        : new EarlyStopping({ ...stopping, direction: metricDirection(stopping.metric) }, state?.earlyStopping);
    this.step = state?.step ?? 0;
    this.modelStep = this.step;
    this.samples = state?.samples ?? 0;
    this.seconds = state?.seconds ?? 0;
    this.waitSeconds = state?.waitSeconds ?? 0;
  }

  get config(): ResolvedConfig {
    return this.#parts.config;
  }

  get paths(): RunPaths {
    return this.#parts.paths;
  }

  get train(): EncodedSet {
    return this.#parts.train;
  }

  get eval(): EncodedSet | null {
    return this.#parts.eval;
  }

  get tasks(): readonly TaskModel[] {
    return this.#parts.model.tasks;
  }

  get store(): NativeParameterStore {
    return this.#parts.store;
  }

  get program(): NativeProgram {
    return this.#parts.program;
  }

  /** Shows the tasks' gradients of a batch beside a program that sums them; null when there is nothing to show. */
  get diagnosis(): NativeProgram | null {
    return this.#parts.diagnosis;
  }

  /** How the last step weighed the tasks; null with fixed weights. */
  get balancing(): BalancingFigures | null {
    return balancingFigures(this.#parts.model.training.plan, this.program.balance(), this.store);
  }

  /** The tasks' gradients of the last step whose gradients were kept apart. */
  get gradients(): GradientFigures | null {
    const report = (this.diagnosis ?? this.program).balance();
    return report === null ? null : gradientFigures(this.#parts.model.training.plan, report.gram);
  }

  get loader(): NativeLoader {
    return this.#parts.loader;
  }

  get checkpoints(): Checkpoints {
    return this.#parts.checkpoints;
  }

  get fingerprints(): Fingerprints {
    return this.#parts.fingerprints;
  }

  get versions(): Versions {
    return this.#parts.versions;
  }

  get parameters(): number {
    return parameterCount(this.#parts.model.training);
  }

  get totalSteps(): number {
    const { steps, epochs } = this.config.training;
    return steps ?? (epochs ?? 1) * this.loader.batchesPerEpoch;
  }

  /** Steps between evaluations during training, 0 for none: as configured, or once an epoch for early stopping. */
  get evaluateEvery(): number {
    if (this.eval === null) {
      return 0;
    }
    const { evaluateEverySteps } = this.config.training;
    return evaluateEverySteps === 0 && this.earlyStopping !== null ? this.loader.batchesPerEpoch : evaluateEverySteps;
  }

  /** Takes the steps of one call of the program into account. */
  advance(result: RunResult): void {
    this.window.add(result.stats, result.steps, result.rows, result.seconds, result.waitSeconds);
    this.step += result.steps;
    this.modelStep = this.step;
    this.samples += result.rows;
    this.seconds += result.seconds;
    this.waitSeconds += result.waitSeconds;
  }

  /** Evaluates the store's parameters on the evaluation data; null without it. */
  async evaluate(): Promise<EvaluationResult | null> {
    const { addon, config, model, store, versions, eval: set } = this.#parts;
    if (set === null) {
      return null;
    }
    const { batchSize } = config.training;
    this.#predictor ??= new Predictor(addon, model, store, { threads: versions.threads, batchSize });
    const predictions = await this.#predictor.predict(set);
    return evaluateSet({ config, set, predictions, metrics: addon.metrics, step: this.modelStep });
  }

  /** Judges one constant prediction on the evaluation data: which metrics there are, without running the model. */
  async constantEvaluation(): Promise<EvaluationResult> {
    const { addon, config, model, eval: set } = this.#parts;
    if (set === null) {
      throw new PrerankError('INTERNAL', 'there is no evaluation data');
    }
    const outputs = model.prediction.plan.outputs;
    const even = { outputs: new Float32Array(set.rows), link: 'sigmoid' } as const;
    const predictions = new Map(outputs.map(({ name }) => [name, even]));
    return evaluateSet({ config, set, predictions, metrics: addon.metrics, step: null });
  }

  /** What the model's gates choose, over the evaluation data or without it the training data; null without gates. */
  async gates(): Promise<GateMeans | null> {
    const { addon, config, model, store, versions, train, eval: set } = this.#parts;
    const { features } = train;
    return meansOver({ addon, config, features, model, store, threads: versions.threads }, set ?? train);
  }

  async writeCheckpoint(best: boolean): Promise<string> {
    await this.metrics.sync();
    return this.checkpoints.write(this.store, this.#state(), { best });
  }

  async close(): Promise<void> {
    this.loader.close();
    await this.metrics.close();
  }

  #state(): TrainingState {
    return {
      step: this.step,
      samples: this.samples,
      seconds: this.seconds,
      waitSeconds: this.waitSeconds,
      cursor: this.loader.consumed(),
      seed: this.config.training.seed,
      schedule: { step: this.step, totalSteps: this.totalSteps },
      earlyStopping: this.earlyStopping?.state ?? null,
      window: this.window.state(),
      metricsBytes: this.metrics.bytes,
      fingerprints: this.fingerprints,
      versions: this.versions,
      ...(this.config.training.autotune ? { tuning: this.program.tuning() } : {}),
    };
  }
}
