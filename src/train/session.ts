/** A training run under way: the parts it was opened with, and the state that a checkpoint stores. */
import { PrerankError } from '../base/errors.js';
import type { ResolvedConfig } from '../config/types.js';
import type { Addon, NativeLoader, NativeParameterStore, NativeProgram, RunResult } from '../runtime/native.js';
import { type AssembledModel, parameterCount } from './assemble.js';
import { type BalancingFigures, balancingFigures, type GradientFigures, gradientFigures } from './balancing.js';
import type { Checkpoints, Fingerprints, TrainingState, Versions } from './checkpoint.js';
import { EarlyStopping, metricDirection } from './early-stopping.js';
import type { EncodedSet } from './encoded-set.js';
import { evaluateSet } from './evaluate-set.js';
import type { EvaluationResult } from './evaluation-result.js';
import { type GateMeans, meansOver } from './gates.js';
import { Predictor } from './predictor.js';
import type { MetricsLog, RunPaths } from './run-folder.js';
import type { TaskModel } from './tasks.js';
import { MetricWindow } from './window.js';

/** Everything but the state that changes as training goes on. */
export interface Parts {
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
