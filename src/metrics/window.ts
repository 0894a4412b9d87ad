/** Training-window metrics from the statistics that every step's fused loss leaves (TASK_STATS). */
import { TASK_STATS } from '../runtime/native.js';
import { calibrationOfSums } from './calibration.js';
import { logLossOfSums, neOfSums } from './ne.js';
import { mseOfSums, nmseOfSums } from './regression.js';
import { emptySums, mergeSums, type TaskSums } from './sums.js';
import { MetricInputError, type MetricValue } from './value.js';

const FIELDS = Object.keys(emptySums()) as (keyof TaskSums)[];

/** Sums of one task since the window began. Windows of shards merge into the window of the whole. */
export class TaskWindow {
  private sums: TaskSums;

  constructor(sums: TaskSums = emptySums()) {
    this.sums = { ...sums };
  }

  /** Adds the statistics of every step of `stats` [steps, tasks, TASK_STATS.length] for task number `task`. */
  add(stats: Float64Array, tasks: number, task: number): void {
    const width = TASK_STATS.length;
    if (!Number.isSafeInteger(task) || task < 0 || task >= tasks || stats.length % (tasks * width) !== 0) {
      throw new MetricInputError('window', `${stats.length} statistics do not hold task ${task} of ${tasks}`);
    }
    for (let step = task * width; step < stats.length; step += tasks * width) {
      const added = emptySums();
      for (const field of FIELDS) {
        added[field] = stats[step + TASK_STATS.indexOf(field)] ?? 0;
      }
      this.sums = mergeSums(this.sums, added);
    }
  }

  merge(other: TaskWindow): TaskWindow {
    return new TaskWindow(mergeSums(this.sums, other.sums));
  }

  reset(): void {
    this.sums = emptySums();
  }

  /** The sums, for a checkpoint; `new TaskWindow(sums)` goes on from them. */
  state(): TaskSums {
    return { ...this.sums };
  }

  /** Mean loss: log loss in nats for probabilities, mean squared error for an MSE task. */
  loss(): MetricValue {
    return logLossOfSums(this.sums);
  }

  /** Normalised entropy against the window's own base rate, or the given one. Probability tasks. */
  ne(baseRate?: number): MetricValue {
    return neOfSums(this.sums, baseRate);
  }

  calibration(): MetricValue {
    return calibrationOfSums(this.sums);
  }

  /** MSE tasks, in the scaled label's unit. */
  mse(): MetricValue {
    return mseOfSums(this.sums);
  }

  nmse(): MetricValue {
    return nmseOfSums(this.sums);
  }
}
