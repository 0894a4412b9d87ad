/** What a user can hook into a training run. */
import type { BalancingFigures } from './balancing.js';
import type { EvaluationResult } from './evaluation-result.js';
import type { TrainSummary } from './summary.js';
import type { WindowFigures } from './window.js';

/** Figures of one report, as written to metrics.jsonl. */
export interface TrainReport extends WindowFigures {
  /** Steps done. */
  readonly step: number;
  readonly samples: number;
  readonly epoch: number;
  readonly lr: { readonly dense: number; readonly sparse: number };
  /** Global norm of the gradients of the last step before clipping; null without clipping. */
  readonly gradientNorm: number | null;
  /** How the last step weighed the tasks; absent with fixed weights. */
  readonly balancing?: BalancingFigures;
  /** Share of the distinct rows of `training.hostTables` that steps found on the GPU; absent without such a cache. */
  readonly hostTableHits?: number;
}

export interface TrainControl {
  /** Ends the run after the current chunk of steps, as if it had reached its last step. */
  stop(reason: string): void;
}

export interface TrainStart {
  readonly out: string;
  readonly firstStep: number;
  readonly totalSteps: number;
  readonly rows: number;
  readonly parameters: number;
}

/** Every hook is optional; hooks run in order and may be asynchronous. An error thrown ends the run. */
export interface TrainerCallback {
  onStart?(start: TrainStart, control: TrainControl): void | Promise<void>;
  onReport?(report: TrainReport, control: TrainControl): void | Promise<void>;
  onEvaluate?(evaluation: EvaluationResult, step: number, control: TrainControl): void | Promise<void>;
  onCheckpoint?(path: string, step: number, control: TrainControl): void | Promise<void>;
  onEnd?(summary: TrainSummary): void | Promise<void>;
}
