/** Judges a run's model on evaluation data. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SourceConfig } from '../config/types.js';
import { type EncodedSet, openSet } from './encoded-set.js';
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
  const { addon, config, step } = run;
  return withEvaluationSet(run, options.data, async (set) => {
    const predictions = await createPredictor(run, set.rows).predict(set);
    const bootstrap = { resamples: BOOTSTRAP_RESAMPLES, seed: config.training.seed };
    return evaluateSet({ config, set, predictions, metrics: addon.metrics, step, k: options.k, bootstrap });
  });
}

/** Runs `use` on the evaluation log, encoded as the run's features; another log than the run's is encoded for the time of it. */
export async function withEvaluationSet<Result>(
  run: Run,
  data: SourceConfig | undefined,
  use: (set: EncodedSet) => Promise<Result>,
): Promise<Result> {
  const own = data === undefined;
  const folder = own ? join(run.paths.data, 'eval') : await mkdtemp(join(tmpdir(), 'prerank-evaluate-'));
  try {
    const { addon, config, features } = run;
    const set = await openSet(addon, { config, split: 'eval', folder, features, source: data });
    try {
      return await use(set);
    } finally {
      set.close();
    }
  } finally {
    if (!own) await rm(folder, { recursive: true, force: true });
  }
}
