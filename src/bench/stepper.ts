/** Runs a problem's training steps one by one, as a trainer does, and keeps their times. */
import { PrerankError } from '../base/errors.js';
import type { Addon, NativeLoader, NativeProgram } from '../runtime/native.js';
import type { StepProblem } from './step-problem.js';

export interface LoaderSettings {
  readonly threads: number;
  readonly seed: number;
  /** Steps that the loader must have batches for. */
  readonly steps: number;
  /** Batches assembled ahead; default: the trainer's. */
  readonly prefetch?: number;
}

/** The trainer's loader: as many threads as the program, at most as many as batches are prefetched. */
export function createStepLoader(addon: Addon, problem: StepProblem, settings: LoaderSettings): NativeLoader {
  const { threads, seed, steps, prefetch } = settings;
  return new addon.Loader(problem.dataset, {
    ...problem.loader,
    batchSize: problem.batch,
    seed,
    epochs: Math.ceil(steps / Math.ceil(problem.dataset.rows / problem.batch)),
    threads,
    prefetch,
    training: true,
    tableIndex: problem.device === 'cpu',
    dense: problem.program.dense,
    ids: problem.program.ids,
  });
}

export interface ProgramChoice {
  readonly threads: number;
  readonly seed: number;
  readonly profile?: boolean;
}

export function createStepProgram(addon: Addon, problem: StepProblem, choice: ProgramChoice): NativeProgram {
  const { batch, program, store, clip } = problem;
  return new addon.Program(program.plan, store, {
    ...choice,
    capacity: batch,
    clipNorm: clip.norm,
    clipScope: clip.scope,
  });
}

export interface TimedSteps {
  /** Of each step, from the end of the one before, scaled to a full batch; on a GPU the mean over its chunk of steps. */
  readonly seconds: number[];
  readonly rows: number;
}

/** Runs of a GPU's steps are cut into so many: within one, a step's batch travels while the step before works. */
const DEVICE_CHUNK = 10;

export class Stepper {
  private next = 0;
  private waiting = 0;
  private allocated: number | null = 0;

  constructor(
    private readonly program: NativeProgram,
    private readonly problem: StepProblem,
  ) {}

  /** Seconds in which steps waited for the loader. */
  get waitSeconds(): number {
    return this.waiting;
  }

  /** Heap allocations in steps; null where they cannot be counted. */
  get allocations(): number | null {
    return this.allocated;
  }

  /** @throws NON_FINITE when training diverges: such a step ends early and its time says nothing. */
  async run(loader: NativeLoader, count: number): Promise<TimedSteps> {
    const { rates, batch, device } = this.problem;
    const chunk = device === 'cpu' ? 1 : DEVICE_CHUNK;
    const seconds: number[] = [];
    let rows = 0;
    let before = performance.now();
    for (let done = 0; done < count; done += chunk) {
      const steps = Math.min(chunk, count - done);
      const result = await this.program.run(loader, {
        firstStep: this.next,
        denseLr: new Float64Array(steps).fill(rates.dense),
        sparseLr: new Float64Array(steps).fill(rates.sparse),
      });
      if (result.nonFinite !== undefined) {
        throw new PrerankError(
          'NON_FINITE',
          `step ${this.next} of ${this.problem.name} is not finite; lower the rates`,
        );
      }
      const after = performance.now();
      const each = ((after - before) / 1000) * (batch / result.rows);
      for (let step = 0; step < steps; step += 1) seconds.push(each);
      before = after;
      this.next += steps;
      this.waiting += result.waitSeconds;
      this.allocated = result.allocations === undefined ? null : (this.allocated ?? 0) + result.allocations;
      rows += result.rows;
    }
    return { seconds, rows };
  }
}
