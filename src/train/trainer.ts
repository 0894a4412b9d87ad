/** Training runs: the loop over chunks of steps, and everything a run leaves in its folder. */
import { PrerankError } from '../base/errors.js';
import { writeJsonDurable } from '../base/files.js';
import type { ResolvedConfig } from '../config/types.js';
import { awaitNative } from '../runtime/errors.js';
import type { RunResult } from '../runtime/native.js';
import type { TrainControl, TrainerCallback, TrainReport } from './callbacks.js';
import { restoreParameters, writeModelTensors } from './checkpoint.js';
import { type EvaluationResult, nestMetrics, stoppingMetric } from './evaluation-result.js';
import type { GateMeans } from './gates.js';
import { nonFiniteError } from './non-finite.js';
import { openSession } from './open-session.js';
import type { Progress } from './progress.js';
import { learningRates } from './schedule.js';
import type { Session } from './session.js';
import { readSummary, type TrainSummary } from './summary.js';
import type { WindowFigures } from './window.js';

export interface TrainOptions {
  /** Folder of the run. */
  readonly out: string;
  /** Go on from the folder's last checkpoint; without one, start at step 0. */
  readonly resume?: boolean;
  readonly callbacks?: readonly TrainerCallback[];
  /** Aborting finishes the current step, writes a checkpoint and ends the run with status `interrupted`. */
  readonly signal?: AbortSignal;
  readonly progress?: Progress;
}

/** Target duration of one call of the program, so that progress moves and callbacks are heard. */
const CHUNK_SECONDS = 0.25;
const MAX_CHUNK_STEPS = 4096;

/** Trains one model: see `train`. */
export async function trainModel(config: ResolvedConfig, options: TrainOptions): Promise<TrainSummary> {
  const started = performance.now();
  const session = await openSession(config, options.out, { resume: options.resume ?? false, log: options.progress });
  try {
    return await new Trainer(session, options, started).run();
  } finally {
    options.progress?.close();
    await session.close();
  }
}

class Trainer implements TrainControl {
  readonly #session: Session;
  readonly #options: TrainOptions;
  readonly #callbacks: readonly TrainerCallback[];
  readonly #started: number;
  #stopReason: string | null = null;
  #chunkSteps = 8;
  #lastReport: WindowFigures | null = null;
  #evaluated: { readonly step: number; readonly result: EvaluationResult } | null = null;
  #gradientNorm = 0;
  #hostRows: RunResult['hostRows'];
  /** At the last report. */
  #reportedHostRows = { used: 0, missing: 0 };
  /** Whether this process did any step. */
  #ran = false;

  constructor(session: Session, options: TrainOptions, started: number) {
    this.#session = session;
    this.#options = options;
    this.#callbacks = options.callbacks ?? [];
    this.#started = started;
  }

  stop(reason: string): void {
    this.#stopReason ??= reason;
  }

  async run(): Promise<TrainSummary> {
    const { signal } = this.#options;
    const cancel = () => this.#session.program.cancel();
    signal?.addEventListener('abort', cancel);
    try {
      await this.#loop();
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
    const summary = await this.#finish();
    for (const callback of this.#callbacks) {
      await callback.onEnd?.(summary);
    }
    return summary;
  }

  get #interrupted(): boolean {
    return this.#options.signal?.aborted ?? false;
  }

  async #loop(): Promise<void> {
    const session = this.#session;
    const start = {
      out: session.paths.root,
      firstStep: session.step,
      totalSteps: session.totalSteps,
      rows: session.train.rows,
      parameters: session.parameters,
    };
    for (const callback of this.#callbacks) {
      await callback.onStart?.(start, this);
    }
    if (session.earlyStopping !== null) {
      stoppingMetric(session.config, await session.constantEvaluation());
    }
    if (session.earlyStopping?.exhausted) {
      this.stop('early stopping');
    }
    while (session.step < session.totalSteps && this.#stopReason === null && !this.#interrupted) {
      const result = await this.#runChunk(this.#nextSteps());
      if (result.steps === 0 && !this.#interrupted) {
        throw new PrerankError('INTERNAL', `the loader ended at step ${session.step} of ${session.totalSteps}`);
      }
      await this.#afterChunk();
    }
    await this.#checkpointOnce();
  }

  /** Steps up to the next report, evaluation or checkpoint, at most a chunk. */
  #nextSteps(): number {
    const { step, totalSteps, config } = this.#session;
    const { reportEverySteps, checkpointEverySteps, gradientCosines } = config.training;
    const { evaluateEvery } = this.#session;
    const periods = [reportEverySteps, checkpointEverySteps, evaluateEvery, gradientCosines].filter((n) => n > 0);
    const boundary = Math.min(totalSteps, ...periods.map((n) => (Math.floor(step / n) + 1) * n));
    return Math.min(boundary - step, this.#chunkSteps);
  }

  async #runChunk(steps: number): Promise<RunResult> {
    const session = this.#session;
    const { denseOptimizer, sparseOptimizer } = session.config.training;
    const firstStep = session.step;
    const rates = (optimizer: typeof denseOptimizer | typeof sparseOptimizer) =>
      learningRates(optimizer.lr, optimizer.schedule, firstStep, steps, session.totalSteps);
    const denseLr = rates(denseOptimizer);
    const sparseLr = rates(sparseOptimizer);
    const diagnosis = this.#showsGradients(firstStep + steps) ? (session.diagnosis ?? undefined) : undefined;
    const result = await awaitNative(() =>
      session.program.run(session.loader, { firstStep, denseLr, sparseLr, diagnosis }),
    );
    if (result.nonFinite !== undefined) {
      throw await this.#nonFiniteError(result.nonFinite);
    }
    session.advance(result);
    this.#ran ||= result.steps > 0;
    this.#gradientNorm = result.gradientNorm;
    this.#hostRows = result.hostRows;
    if (result.steps > 0) {
      const perStep = result.seconds / result.steps;
      this.#chunkSteps = Math.max(1, Math.min(MAX_CHUNK_STEPS, Math.round(CHUNK_SECONDS / Math.max(perStep, 1e-6))));
      this.#showProgress(perStep);
    }
    return result;
  }

  /** Whether a line with the tasks' gradients is due at a step. */
  #showsGradients(step: number): boolean {
    const { gradientCosines } = this.#session.config.training;
    return gradientCosines > 0 && step % gradientCosines === 0;
  }

  #showProgress(secondsPerStep: number): void {
    const { window, step, totalSteps, tasks } = this.#session;
    const figures = window.figures();
    this.#options.progress?.update({
      done: step,
      total: totalSteps,
      stepsPerSecond: 1 / secondsPerStep,
      samplesPerSecond: figures.samplesPerSecond,
      figures: [
        ['loss', figures.loss.total ?? null],
        ...tasks.flatMap(({ name }) => [
          [name, figures.loss[name] ?? null] as const,
          [`NE ${name}`, figures.ne[name] ?? null] as const,
        ]),
      ],
    });
  }

  /** What is due at the step reached. The checkpoint comes last, so that it holds everything before it. */
  async #afterChunk(): Promise<void> {
    const { step, totalSteps, config, evaluateEvery, earlyStopping } = this.#session;
    const { reportEverySteps, checkpointEverySteps } = config.training;
    const isLast = step === totalSteps;
    if (this.#showsGradients(step)) {
      const { samples, gradients } = this.#session;
      await this.#session.metrics.append({ step, samples, gradients });
    }
    if (step % reportEverySteps === 0 || (isLast && this.#session.window.steps > 0)) {
      await this.#report();
    }
    let best = false;
    if ((evaluateEvery > 0 && step % evaluateEvery === 0) || (isLast && earlyStopping !== null)) {
      best = await this.#evaluateDuringTraining();
    }
    if (best || step % checkpointEverySteps === 0) {
      await this.#checkpoint(best);
    }
  }

  async #report(): Promise<void> {
    const session = this.#session;
    const { denseOptimizer, sparseOptimizer, clip } = session.config.training;
    const figures = session.window.figures();
    const rate = (optimizer: typeof denseOptimizer | typeof sparseOptimizer) =>
      learningRates(optimizer.lr, optimizer.schedule, session.step - 1, 1, session.totalSteps)[0] ?? 0;
    const { balancing } = session;
    const report: TrainReport = {
      ...figures,
      step: session.step,
      samples: session.samples,
      epoch: session.loader.consumed().epoch,
      lr: { dense: rate(denseOptimizer), sparse: rate(sparseOptimizer) },
      gradientNorm: clip.norm > 0 ? this.#gradientNorm : null,
      ...(balancing === null ? {} : { balancing }),
      ...this.#hostTableHits(),
    };
    const { steps: _steps, rows: _rows, seconds: _seconds, ...shown } = figures;
    const { step, samples, epoch, lr, gradientNorm, hostTableHits } = report;
    const weighed = balancing === null ? {} : { balancing };
    const line = {
      step,
      samples,
      epoch,
      seconds: session.seconds,
      ...shown,
      lr,
      gradientNorm,
      ...weighed,
      hostTableHits,
    };
    await session.metrics.append(line);
    this.#lastReport = figures;
    session.window.reset();
    for (const callback of this.#callbacks) {
      await callback.onReport?.(report, this);
    }
  }

  /** Since the last report. */
  #hostTableHits(): Pick<TrainReport, 'hostTableHits'> {
    if (this.#hostRows === undefined) return {};
    const { used, missing } = this.#hostRows;
    const before = this.#reportedHostRows;
    this.#reportedHostRows = { used, missing };
    return used === before.used ? {} : { hostTableHits: 1 - (missing - before.missing) / (used - before.used) };
  }

  /** @returns whether this is the best evaluation so far by the early-stopping metric. */
  async #evaluateDuringTraining(): Promise<boolean> {
    const session = this.#session;
    const { step, earlyStopping } = session;
    const result = await this.#evaluate();
    if (result === null) {
      return false;
    }
    await session.metrics.append({ step, samples: session.samples, eval: nestMetrics(result) });
    for (const callback of this.#callbacks) {
      await callback.onEvaluate?.(result, step, this);
    }
    if (earlyStopping === null) {
      return false;
    }
    const { improved, stop } = earlyStopping.update(step, stoppingMetric(session.config, result));
    if (stop) {
      this.stop('early stopping');
    }
    return improved;
  }

  async #evaluate(): Promise<EvaluationResult | null> {
    if (this.#evaluated?.step !== this.#session.modelStep) {
      const result = await this.#session.evaluate();
      this.#evaluated = result === null ? null : { step: this.#session.modelStep, result };
    }
    return this.#evaluated?.result ?? null;
  }

  /** The checkpoint of the step the run ends at, unless it was written already. */
  async #checkpointOnce(): Promise<void> {
    if ((await this.#session.checkpoints.last()) !== this.#session.step) {
      await this.#checkpoint(false);
    }
  }

  async #checkpoint(best: boolean): Promise<void> {
    const path = await this.#session.writeCheckpoint(best);
    for (const callback of this.#callbacks) {
      await callback.onCheckpoint?.(path, this.#session.step, this);
    }
  }

  async #nonFiniteError(found: NonNullable<RunResult['nonFinite']>): Promise<PrerankError> {
    const { tasks, checkpoints, paths } = this.#session;
    const last = await checkpoints.last();
    return nonFiniteError(found, {
      root: paths.root,
      tasks: tasks.map(({ name }) => name),
      checkpoint: last === null ? null : checkpoints.path(last),
    });
  }

  async #finish(): Promise<TrainSummary> {
    const session = this.#session;
    const { step, totalSteps } = session;
    const train = this.#lastReport ?? session.window.figures();
    if (this.#interrupted && step < totalSteps) {
      return this.#summary('interrupted', train, null, null);
    }
    const before = this.#ran ? null : await readSummary(session.paths.summary);
    if (before !== null && before.step === step) {
      return before;
    }
    await this.#restoreBest();
    const result = await this.#evaluate();
    const gates = await session.gates();
    await writeModelTensors(session.paths.modelTensors, session.store);
    const status = step === totalSteps && this.#stopReason === null ? 'completed' : 'stopped';
    const summary = this.#summary(status, train, result, gates);
    await writeJsonDurable(session.paths.summary, summary);
    return summary;
  }

  async #restoreBest(): Promise<void> {
    const { earlyStopping, checkpoints, store } = this.#session;
    const best = earlyStopping === null ? null : await checkpoints.best();
    if (best !== null && best !== this.#session.step) {
      await restoreParameters(checkpoints.modelTensors(best), store);
      this.#session.modelStep = best;
    }
  }

  #summary(
    status: TrainSummary['status'],
    train: WindowFigures,
    result: EvaluationResult | null,
    gates: GateMeans | null,
  ): TrainSummary {
    const session = this.#session;
    const { loss, ne, calibration, nmse } = train;
    return {
      name: session.config.name,
      status,
      reason: this.#stopReason,
      step: session.step,
      modelStep: session.modelStep,
      samples: session.samples,
      metrics: { train: { loss, ne, calibration, nmse }, eval: result === null ? null : nestMetrics(result) },
      ...(gates === null ? {} : { gates: gates.gates }),
      ...(gates?.connections === undefined ? {} : { connections: gates.connections }),
      samplesPerSecond: session.seconds > 0 ? session.samples / session.seconds : 0,
      waitShare: session.seconds > 0 ? Math.min(1, session.waitSeconds / session.seconds) : 0,
      trainSeconds: session.seconds,
      wallSeconds: (performance.now() - this.#started) / 1000,
      peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
      parameters: session.parameters,
      rows: { train: session.train.rows, eval: session.eval?.rows ?? null },
      fingerprints: session.fingerprints,
      versions: session.versions,
    };
  }
}
