/** Judges a run's model on evaluation data. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SourceConfig } from '../config/types.js';
import { openSet } from './encoded-set.js';
import { evaluateSet } from './evaluate-set.js';
import type { EvaluationResult } from './evaluation-result.js';
import { createPredictor, type Run } from './run.js';

const BOOTSTRAP_RESAMPLES = 1000;

export interface EvaluateOptions {
  /** Log to judge on; default: `data.eval` of the run's configuration. */
  readonly data?: SourceConfig;
  /** K of the recall metrics; default: `evaluation.k`. */
  readonly k?: number;
}

/**
 * Predicts every row of the evaluation log and computes the configured metrics; those of the replay with 95 % bootstrap
 * intervals over requests.
 * @throws PrerankError for unreadable data, and METRIC_INPUT naming the row of an input that is not finite.
 */
export async function evaluate(run: Run, options: EvaluateOptions = {}): Promise<EvaluationResult> {
  if (options.data === undefined) {
    return evaluateFrom(run, join(run.paths.data, 'eval'), options);
  }
  const folder = await mkdtemp(join(tmpdir(), 'prerank-evaluate-'));
  try {
    return await evaluateFrom(run, folder, options);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function evaluateFrom(run: Run, folder: string, { data, k }: EvaluateOptions): Promise<EvaluationResult> {
  const { addon, config, features, step } = run;
  const set = await openSet(addon, { config, split: 'eval', folder, features, source: data });
  try {
    const predictions = await createPredictor(run, set.rows).predict(set);
    const bootstrap = { resamples: BOOTSTRAP_RESAMPLES, seed: config.training.seed };
    return await evaluateSet({ config, set, predictions, metrics: addon.metrics, step, k, bootstrap });
  } finally {
    set.close();
  }
}
