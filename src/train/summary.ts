/** `summary.json`: what a finished run came to. */
import { readFile } from 'node:fs/promises';
import type { Fingerprints, Versions } from './checkpoint.js';
import type { MetricValues } from './evaluation-result.js';
import type { GateMeans, Gates } from './gates.js';
import type { WindowFigures } from './window.js';

export interface TrainSummary {
  readonly name: string;
  /** completed: all steps; stopped: by early stopping or a callback; interrupted: by a signal, resumable. */
  readonly status: 'completed' | 'stopped' | 'interrupted';
  readonly reason: string | null;
  /** Steps done, and the step whose parameters `model/` holds. */
  readonly step: number;
  readonly modelStep: number;
  readonly samples: number;
  readonly metrics: {
    /** Figures of the last report window. */
    readonly train: Pick<WindowFigures, 'loss' | 'ne' | 'calibration' | 'nmse'>;
    /** By task, and `replay`; null without evaluation data. */
    readonly eval: Readonly<Record<string, MetricValues>> | null;
  };
  /** Mean weights of the model's gates over the evaluation log, or without one the training log; absent without gates. */
  readonly gates?: Gates;
  /** Open connections between sub-networks, and all of them. */
  readonly connections?: GateMeans['connections'];
  /** Training only, without reading, evaluation and checkpoints. */
  readonly samplesPerSecond: number;
  /** Share of the training time spent waiting for data, in [0, 1]. */
  readonly waitShare: number;
  readonly trainSeconds: number;
  /** Of this process, from the call of `train` on. */
  readonly wallSeconds: number;
  readonly peakMemoryBytes: number;
  readonly parameters: number;
  readonly rows: { readonly train: number; readonly eval: number | null };
  readonly fingerprints: Fingerprints;
  readonly versions: Versions;
}

/** The summary a run left, or null when there is none that can be read. */
export async function readSummary(path: string): Promise<TrainSummary | null> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as TrainSummary;
  } catch {
    return null;
  }
}
