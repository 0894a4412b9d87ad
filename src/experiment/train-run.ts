/** Trains one run of an experiment, or goes on from its last checkpoint. */
import { PrerankError } from '../base/errors.js';
import type { ResolvedConfig } from '../config/types.js';
import { runPaths } from '../train/run-folder.js';
import { readSummary, type TrainSummary } from '../train/summary.js';
import { train } from '../train/train.js';

export interface TrainRunOptions {
  readonly threads?: number;
  readonly signal?: AbortSignal;
}

/** Of one step of the work; `total` in whatever the step counts. */
export type OnProgress = (done: number, total: number) => void;

/** @throws PrerankError CANCELLED when `signal` is aborted; the next call goes on. */
export async function trainRun(
  config: ResolvedConfig,
  out: string,
  { threads, signal }: TrainRunOptions,
  onProgress?: OnProgress,
): Promise<void> {
  let total = 0;
  const training = threads === undefined ? config.training : { ...config.training, threads };
  const summary = await train(
    { ...config, training },
    {
      out,
      resume: true,
      signal,
      callbacks: [
        {
          onStart: ({ totalSteps }) => {
            total = totalSteps;
          },
          onReport: ({ step }) => onProgress?.(step, total),
        },
      ],
    },
  );
  if (summary.status === 'interrupted') throw new PrerankError('CANCELLED', 'the experiment was interrupted');
}

/** What a finished run came to; null while it is not finished. */
export function summaryOf(folder: string): Promise<TrainSummary | null> {
  return readSummary(runPaths(folder).summary);
}

export async function isTrained(folder: string): Promise<boolean> {
  return (await summaryOf(folder)) !== null;
}
