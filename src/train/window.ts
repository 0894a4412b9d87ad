/** Running sums of the task statistics between two reports, and the figures derived from them. */
import { TASK_STATS } from '../runtime/native.js';
import type { LossKind } from '../runtime/plan.js';

export interface WindowTask {
  readonly name: string;
  readonly kind: LossKind;
  /** λ of the task in the total loss. */
  readonly weight: number;
}

/** What a checkpoint stores of a window. */
export interface WindowState {
  readonly steps: number;
  readonly rows: number;
  readonly seconds: number;
  readonly waitSeconds: number;
  /** [tasks, loss | weight | count | prediction | target | targetSq]. */
  readonly sums: readonly number[];
}

/** Figures of one window; a value that is undefined (no row, one class only) is null. */
export interface WindowFigures {
  readonly steps: number;
  readonly rows: number;
  readonly seconds: number;
  readonly samplesPerSecond: number;
  /** Share of the seconds spent waiting for the loader, in [0, 1]. */
  readonly waitShare: number;
  /** Mean loss by task, and `total` = Σ λ·loss over the tasks with rows. */
  readonly loss: Readonly<Record<string, number | null>>;
  /** Normalized entropy by classification task. */
  readonly ne: Readonly<Record<string, number | null>>;
  /** Σ prediction / Σ target by classification task. */
  readonly calibration: Readonly<Record<string, number | null>>;
  /** Squared error over label variance by regression task with `mse` loss. */
  readonly nmse: Readonly<Record<string, number | null>>;
}

const SUMS = ['loss', 'weight', 'count', 'prediction', 'target', 'targetSq'] as const;
const SOURCES = SUMS.map((name) => TASK_STATS.indexOf(name));

type Sums = Record<(typeof SUMS)[number], number>;

/** Entropy of a Bernoulli variable, natural logarithm. */
function entropy(p: number): number {
  return -p * Math.log(p) - (1 - p) * Math.log(1 - p);
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

export class MetricWindow {
  readonly #tasks: readonly WindowTask[];
  readonly #sums: Float64Array;
  #steps = 0;
  #rows = 0;
  #seconds = 0;
  #waitSeconds = 0;

  constructor(tasks: readonly WindowTask[], state?: WindowState) {
    this.#tasks = tasks;
    this.#sums = new Float64Array(tasks.length * SUMS.length);
    if (state !== undefined) {
      this.#sums.set(state.sums);
      this.#steps = state.steps;
      this.#rows = state.rows;
      this.#seconds = state.seconds;
      this.#waitSeconds = state.waitSeconds;
    }
  }

  get steps(): number {
    return this.#steps;
  }

  /** Adds `steps` steps of statistics [steps, tasks, TASK_STATS], step by step, so that chunking changes no bit. */
  add(stats: Float64Array, steps: number, rows: number, seconds: number, waitSeconds: number): void {
    const taskCount = this.#tasks.length;
    for (let row = 0; row < steps * taskCount; row += 1) {
      const target = (row % taskCount) * SUMS.length;
      for (const [i, source] of SOURCES.entries()) {
        this.#sums[target + i] = (this.#sums[target + i] ?? 0) + (stats[row * TASK_STATS.length + source] ?? 0);
      }
    }
    this.#steps += steps;
    this.#rows += rows;
    this.#seconds += seconds;
    this.#waitSeconds += waitSeconds;
  }

  state(): WindowState {
    return {
      steps: this.#steps,
      rows: this.#rows,
      seconds: this.#seconds,
      waitSeconds: this.#waitSeconds,
      sums: [...this.#sums],
    };
  }

  figures(): WindowFigures {
    const loss: Record<string, number | null> = {};
    const ne: Record<string, number | null> = {};
    const calibration: Record<string, number | null> = {};
    const nmse: Record<string, number | null> = {};
    let total = 0;
    for (const [k, task] of this.#tasks.entries()) {
      const sums = this.#taskSums(k);
      const mean = sums.loss / sums.weight;
      loss[task.name] = finiteOrNull(mean);
      total += sums.weight > 0 ? task.weight * mean : 0;
      if (task.kind === 'bce') {
        ne[task.name] = finiteOrNull(mean / entropy(sums.target / sums.weight));
        calibration[task.name] = finiteOrNull(sums.prediction / sums.target);
      } else if (task.kind === 'mse') {
        const variance = sums.targetSq / sums.weight - (sums.target / sums.weight) ** 2;
        nmse[task.name] = finiteOrNull(mean / variance);
      }
    }
    return {
      steps: this.#steps,
      rows: this.#rows,
      seconds: this.#seconds,
      samplesPerSecond: this.#seconds > 0 ? this.#rows / this.#seconds : 0,
      waitShare: this.#seconds > 0 ? Math.min(1, this.#waitSeconds / this.#seconds) : 0,
      loss: { total: finiteOrNull(total), ...loss },
      ne,
      calibration,
      nmse,
    };
  }

  reset(): void {
    this.#sums.fill(0);
    this.#steps = 0;
    this.#rows = 0;
    this.#seconds = 0;
    this.#waitSeconds = 0;
  }

  #taskSums(task: number): Sums {
    const values = SUMS.map((name, i) => [name, this.#sums[task * SUMS.length + i] ?? 0] as const);
    return Object.fromEntries(values) as Sums;
  }
}
