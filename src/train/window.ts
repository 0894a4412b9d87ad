/** The task statistics between two reports, and the figures derived from them. */
import { TaskWindow } from '../metrics/index.js';
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
  /** Sums by task, in their order. */
  readonly sums: readonly ReturnType<TaskWindow['state']>[];
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

export class MetricWindow {
  readonly #tasks: readonly WindowTask[];
  readonly #windows: readonly TaskWindow[];
  #steps: number;
  #rows: number;
  #seconds: number;
  #waitSeconds: number;

  constructor(tasks: readonly WindowTask[], state?: WindowState) {
    this.#tasks = tasks;
    this.#windows = tasks.map((_, k) => new TaskWindow(state?.sums[k]));
    this.#steps = state?.steps ?? 0;
    this.#rows = state?.rows ?? 0;
    this.#seconds = state?.seconds ?? 0;
    this.#waitSeconds = state?.waitSeconds ?? 0;
  }

  get steps(): number {
    return this.#steps;
  }

  /** Adds `steps` steps of statistics [steps, tasks, TASK_STATS], step by step, so that chunking changes no bit. */
  add(stats: Float64Array, steps: number, rows: number, seconds: number, waitSeconds: number): void {
    for (const [k, window] of this.#windows.entries()) {
      window.add(stats, this.#tasks.length, k);
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
      sums: this.#windows.map((window) => window.state()),
    };
  }

  figures(): WindowFigures {
    const of = (figure: (window: TaskWindow) => { readonly value: number | null }, kind?: LossKind) =>
      Object.fromEntries(
        this.#tasks.flatMap((task, k) => {
          const window = this.#windows[k];
          const applies = window !== undefined && (kind === undefined || task.kind === kind);
          return applies ? [[task.name, figure(window).value] as const] : [];
        }),
      );
    const loss = of((window) => window.loss());
    const total = this.#tasks.reduce((sum, { name, weight }) => sum + weight * (loss[name] ?? 0), 0);
    return {
      steps: this.#steps,
      rows: this.#rows,
      seconds: this.#seconds,
      samplesPerSecond: this.#seconds > 0 ? this.#rows / this.#seconds : 0,
      waitShare: this.#seconds > 0 ? Math.min(1, this.#waitSeconds / this.#seconds) : 0,
      loss: { total, ...loss },
      ne: of((window) => window.ne(), 'bce'),
      calibration: of((window) => window.calibration(), 'bce'),
      nmse: of((window) => window.nmse(), 'mse'),
    };
  }

  reset(): void {
    for (const window of this.#windows) {
      window.reset();
    }
    this.#steps = 0;
    this.#rows = 0;
    this.#seconds = 0;
    this.#waitSeconds = 0;
  }
}
