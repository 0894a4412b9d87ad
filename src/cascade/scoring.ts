/** How a trained model scores candidates: a callback over the columns of a log. */
import { PrerankError } from '../base/errors.js';
import { OBJECTIVES } from '../data/plan-columns.js';
import type { Candidates } from './candidates.js';

/** Columns of candidates as the log has them, by their names in the log, computed when asked for. */
export interface ScoringBatch {
  readonly rows: number;
  /** Rows of request i: offsets[i] … offsets[i + 1]. */
  readonly offsets: Uint32Array;
  readonly names: readonly string[];
  /** Ids as uint32, numbers as float32 (NaN: null); `objective` by its position in OBJECTIVES. */
  column(name: string): Uint32Array | Uint8Array | Float32Array;
}

/**
 * A model's predictions by task (`ctr`, `cqs`, …), one a row; `cqs` in raw units. The same row must get the same scores
 * whatever batch it is in.
 */
export type ScoringCallback = (
  batch: ScoringBatch,
) => Promise<ReadonlyMap<string, ArrayLike<number>>> | ReadonlyMap<string, ArrayLike<number>>;

/** Columns known before the final stage. */
const COLUMNS: Readonly<Record<string, (candidates: Candidates) => Uint32Array | Uint8Array | Float32Array>> = {
  request_id: (candidates) => candidates.request,
  user_id: (candidates) => candidates.user,
  ad_id: (candidates) => candidates.ad,
  objective: (candidates) => candidates.objective,
  ctr_traffic: (candidates) => ctrTraffic(candidates),
  bid: (candidates) => candidates.bid,
  early_cvr: (candidates) => candidates.conversionRates.cvr,
  early_vtr: (candidates) => candidates.conversionRates.vtr,
};

/** 1 where the CTR model serves: everywhere but for view-through conversions. */
export function ctrTraffic({ objective }: Pick<Candidates, 'objective'>): Uint8Array {
  const outside = OBJECTIVES.indexOf('postImpression');
  return Uint8Array.from(objective, (value) => (value === outside ? 0 : 1));
}

export function scoringBatch(candidates: Candidates): ScoringBatch {
  return {
    rows: candidates.rows,
    offsets: candidates.offsets,
    names: [...Object.keys(COLUMNS), ...candidates.system.features.map((feature) => feature.name)],
    column: (name) => COLUMNS[name]?.(candidates) ?? candidates.feature(name),
  };
}

/** A model with the time that it has taken, what it reads of the candidates included. */
export class TimedModel {
  #milliseconds = 0;

  constructor(private readonly model: ScoringCallback) {}

  /** Of all calls so far. */
  get milliseconds(): number {
    return this.#milliseconds;
  }

  async score(candidates: Candidates): Promise<ReadonlyMap<string, ArrayLike<number>>> {
    const begin = performance.now();
    const predictions = await this.model(scoringBatch(candidates));
    this.#milliseconds += performance.now() - begin;
    return predictions;
  }
}

/** The predictions of one task, checked. */
export function prediction(
  predictions: ReadonlyMap<string, ArrayLike<number>>,
  task: string,
  rows: number,
): ArrayLike<number> {
  const values = predictions.get(task);
  if (values === undefined) {
    throw new PrerankError(
      'INVALID_ARGUMENT',
      `the model gave no predictions "${task}", only ${[...predictions.keys()]}`,
    );
  }
  if (values.length !== rows) {
    throw new PrerankError('INVALID_ARGUMENT', `the model gave ${values.length} predictions "${task}" of ${rows} rows`);
  }
  return values;
}
