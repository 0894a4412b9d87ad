/** A replay log with a run's scores: what replay metrics, slices and comparisons read. */
import { totalValues } from '../auction/total-value.js';
import { PrerankError } from '../base/errors.js';
import { ROLE_COLUMNS, type Role } from '../data/features.js';
import type { TotalValueSpec } from '../runtime/native.js';
import type { EncodedSet } from '../train/encoded-set.js';
import type { Predictions } from '../train/predictor.js';
import { createPredictor, type Run } from '../train/run.js';
import { totalValueInputs, totalValueSpec } from '../train/total-value.js';
import type { ReplayLog } from './replay-log.js';

export interface ScoredLog {
  readonly run: Run;
  readonly set: EncodedSet;
  readonly predictions: Predictions;
  /** The early total value, as the native replay computes it. */
  readonly spec: TotalValueSpec;
  /** Code of each row's request. */
  readonly requests: Uint32Array;
  /** Final total value of each row; NaN: it is no candidate. */
  readonly final: Float32Array;
  /** Early total value of each row. */
  readonly early: Float64Array;
  /** What was assumed. */
  readonly notes: readonly string[];
}

/** What a replay cannot do without. */
const NEEDED: readonly Role[] = ['request', 'finalTotalValue'];

/**
 * Scores every row of a log with a run.
 * @throws COLUMN_MISSING naming the role that the configuration or the log lacks; INVALID_ARGUMENT for a run that does not
 * predict `ctr`.
 */
export async function scoreLog(run: Run, log: ReplayLog): Promise<ScoredLog> {
  for (const role of NEEDED) {
    if (run.config.data.columns[role as 'request' | 'finalTotalValue'] === undefined) throw missing(run, role);
  }
  const set = await log.set(run);
  for (const role of NEEDED) {
    if (!set.columns.has(ROLE_COLUMNS[role].column)) throw missing(run, role);
  }
  const predictions = await createPredictor(run, set.rows).predict(set);
  const spec = totalValueSpec(run.config.auction, set.columns, predictions);
  const inputs = totalValueInputs(set, predictions);
  if (spec === null || inputs === null) {
    throw new PrerankError('INVALID_ARGUMENT', `the run ${run.paths.root} has no task ctr, which a replay needs`);
  }
  return {
    run,
    set,
    predictions,
    spec,
    requests: set.uint32(ROLE_COLUMNS.request.column) ?? new Uint32Array(),
    final: set.column(ROLE_COLUMNS.finalTotalValue.column) as Float32Array,
    early: totalValues(run.config.auction, inputs),
    notes: spec.bid === undefined ? ['the log has no bid; every bid is taken as 1'] : [],
  };
}

function missing({ config }: Run, role: Role): PrerankError {
  const column = config.data.columns[role as 'request' | 'finalTotalValue'];
  const path = `data.columns.${role}`;
  return column === undefined
    ? new PrerankError('COLUMN_MISSING', `a replay needs ${path}, which the run's configuration does not name`, {
        path,
      })
    : new PrerankError('COLUMN_MISSING', `a replay needs the column ${column} (${role}), which the log does not have`, {
        column,
        path,
      });
}
