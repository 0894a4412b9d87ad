/** Trained runs that several arms share: each is opened once, and predicts the same candidates or log once. */
import { resolve } from 'node:path';
import type { Candidates } from '../cascade/candidates.js';
import { scoringBatch } from '../cascade/scoring.js';
import { ColumnScorer } from '../train/column-scorer.js';
import type { Predictions } from '../train/predictor.js';
import { createPredictor, openRun, type Run } from '../train/run.js';
import type { ReplayLog } from './replay-log.js';

/** Predictions by task, one a row: probabilities, or values in the label's own units. */
export type TaskColumns = ReadonlyMap<string, Float64Array>;

export class PooledRun {
  readonly #ofCandidates = new WeakMap<Candidates, Promise<TaskColumns>>();
  readonly #ofLogs = new WeakMap<ReplayLog, Promise<Predictions>>();
  #scorer: ColumnScorer | undefined;

  constructor(
    readonly folder: string,
    readonly run: Run,
  ) {}

  /** Names of the tasks that have a prediction of their own. */
  get tasks(): readonly string[] {
    return this.run.model.prediction.plan.outputs.map(({ name }) => name);
  }

  /** @throws PrerankError INVALID_ARGUMENT for a run with features that the simulation's columns cannot hold. */
  score(candidates: Candidates): Promise<TaskColumns> {
    this.#scorer ??= new ColumnScorer(this.run);
    return remembered(this.#ofCandidates, candidates, this.#scorer, (scorer) => scorer.score(scoringBatch(candidates)));
  }

  /** Predictions of every row of a log, in its order. */
  predict(log: ReplayLog): Promise<Predictions> {
    return remembered(this.#ofLogs, log, this.run, async (run) => {
      const set = await log.set(run);
      return createPredictor(run, set.rows).predict(set);
    });
  }
}

function remembered<Key extends WeakKey, Source, Result>(
  known: WeakMap<Key, Promise<Result>>,
  key: Key,
  source: Source,
  compute: (source: Source) => Promise<Result>,
): Promise<Result> {
  const found = known.get(key);
  if (found !== undefined) return found;
  const result = compute(source);
  known.set(key, result);
  return result;
}

export interface RunPoolOptions {
  /** Of each run; default: as it is configured. */
  readonly threads?: number;
}

export class RunPool {
  readonly #runs = new Map<string, Promise<PooledRun>>();

  constructor(private readonly options: RunPoolOptions = {}) {}

  /** @throws PrerankError RUN_NOT_FOUND, CHECKPOINT_INVALID, CHECKPOINT_MISMATCH. */
  open(folder: string): Promise<PooledRun> {
    const path = resolve(folder);
    const known = this.#runs.get(path);
    if (known !== undefined) return known;
    const opened = openRun(path, this.options).then((run) => new PooledRun(path, run));
    this.#runs.set(path, opened);
    return opened;
  }
}
