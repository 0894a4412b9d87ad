/** Early stopping: the best value of one metric so far, and how long ago it was. */
import { type Direction, improvement, METRICS } from '../metrics/index.js';

export interface EarlyStoppingSettings {
  /** Evaluations without improvement before the run stops. */
  readonly patience: number;
  /** An improvement is larger than this. */
  readonly minDelta: number;
  readonly direction: Direction;
}

export interface EarlyStoppingState {
  readonly best: number | null;
  readonly bestStep: number | null;
  /** Evaluations since the best one. */
  readonly waited: number;
}

export class EarlyStopping {
  readonly #settings: EarlyStoppingSettings;
  #state: EarlyStoppingState;

  constructor(settings: EarlyStoppingSettings, state?: EarlyStoppingState | null) {
    this.#settings = settings;
    this.#state = state ?? { best: null, bestStep: null, waited: 0 };
  }

  get state(): EarlyStoppingState {
    return this.#state;
  }

  /** No improvement for `patience` evaluations. */
  get exhausted(): boolean {
    return this.#state.waited >= this.#settings.patience;
  }

  /** Takes the metric's value at `step`; null or NaN (undefined) never improves. */
  update(step: number, value: number | null): { readonly improved: boolean; readonly stop: boolean } {
    const { best, bestStep, waited } = this.#state;
    if (
      value !== null &&
      !Number.isNaN(value) &&
      (best === null || improvement(this.#settings.direction, value, best) > this.#settings.minDelta)
    ) {
      this.#state = { best: value, bestStep: step, waited: 0 };
      return { improved: true, stop: false };
    }
    this.#state = { best, bestStep, waited: waited + 1 };
    return { improved: false, stop: this.exhausted };
  }
}

/** Which way a metric is better, by the last part of its dotted name (`eval.ctr.ne`, `replay.softRecallPooled`). */
export function metricDirection(metric: string): Direction {
  const name = metric.slice(metric.lastIndexOf('.') + 1);
  const known = METRICS.find((info) => info.name === name) ?? METRICS.find((info) => name.startsWith(info.name));
  return known?.direction ?? 'higher';
}
