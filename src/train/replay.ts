/** Replay: what the early stage would pass on, against what the final stage would pick (framework.md §6). */
import { PrerankError } from '../base/errors.js';
import type { MetricName } from '../config/types.js';
import { ROLE_COLUMNS, type Role } from '../data/features.js';
import type { Interval } from '../metrics/index.js';
import { awaitNative } from '../runtime/errors.js';
import type { NativeMetrics, NativeReplay, ReplaySpec } from '../runtime/native.js';
import type { EncodedSet } from './encoded-set.js';
import type { EvaluationInput } from './evaluate-set.js';
import type { MetricValues } from './evaluation-result.js';
import { type Bootstrap, replayIntervals, replayMetrics } from './replay-figures.js';
import { totalValueSpec } from './total-value.js';

const REPLAY_METRICS: readonly MetricName[] = ['hardRecall', 'softRecall', 'recall', 'rcs', 'ndcg', 'tvd'];

export interface ReplayResult {
  readonly values: MetricValues;
  /** 95 % bootstrap intervals over requests, when asked for. */
  readonly intervals?: Readonly<Record<string, Interval>>;
}

export interface ReplayRequest {
  readonly set: Pick<EncodedSet, 'native'>;
  readonly metrics: NativeMetrics;
  /** The early stage's score: a float32 column of the set, a number for every row, or a total value. */
  readonly early: ReplaySpec['early'];
  readonly k: number;
  /** Which of the replay metrics; default all. */
  readonly wanted?: readonly MetricName[];
  readonly bootstrap?: Bootstrap;
}

/**
 * Consistency of the early total value with the final stage's over the rows that have one; null when no replay metric
 * is wanted, or request, final total value or a task `ctr` is missing. Assumptions are added to `notes`.
 * @throws METRIC_INPUT naming row and role when an input of the early total value is missing.
 */
export async function replay(input: EvaluationInput, notes: string[]): Promise<ReplayResult | null> {
  const { config, set, predictions, metrics, bootstrap } = input;
  const wanted = config.evaluation.metrics.filter((metric) => REPLAY_METRICS.includes(metric));
  const early = totalValueSpec(config.auction, set.columns, predictions);
  const judgeable = [ROLE_COLUMNS.request, ROLE_COLUMNS.finalTotalValue].every(({ column }) => set.columns.has(column));
  if (wanted.length === 0 || early === null || !judgeable) {
    return null;
  }
  if (early.bid === undefined) {
    notes.push('replay: the log has no bid; every bid is taken as 1');
  }
  return replayScores({ set, metrics, early, k: input.k ?? config.evaluation.k, wanted, bootstrap });
}

/**
 * Replays a log with given early scores, over its mapped columns `role.request` and `role.finalTotalValue`.
 * @throws METRIC_INPUT naming row and role when a candidate's score is missing or not finite.
 */
export async function replayScores(request: ReplayRequest): Promise<ReplayResult> {
  const { k, bootstrap } = request;
  const wanted = new Set(request.wanted ?? REPLAY_METRICS);
  const { requests, perRequest } = await replayRequests({ ...request, gains: wanted.has('ndcg') });
  const values = { k, requests: requests.length, ...replayMetrics(perRequest, wanted) };
  return bootstrap === undefined ? { values } : { values, intervals: replayIntervals(perRequest, wanted, bootstrap) };
}

/** A replay whose early stage may pick another number than the final stage, k by default. */
export interface RequestReplaySpec extends Pick<ReplayRequest, 'set' | 'metrics' | 'early' | 'k'> {
  readonly earlyK?: number;
  /** Whether the figures of NDCG are wanted, which need the picks in order. */
  readonly gains: boolean;
}

/**
 * The figures of every request of a log, from which the metrics follow.
 * @throws METRIC_INPUT naming row and role when a candidate's score is missing or not finite.
 */
export async function replayRequests(spec: RequestReplaySpec): Promise<NativeReplay> {
  const { set, metrics, early, k, earlyK = k, gains } = spec;
  const columns = { request: ROLE_COLUMNS.request.column, final: ROLE_COLUMNS.finalTotalValue.column };
  const replayed = await awaitNative(() => metrics.replay(set.native, { ...columns, early, k, earlyK, gains }));
  if (replayed.fault !== undefined) {
    throw faultError(replayed.fault);
  }
  return replayed;
}

type Fault = NonNullable<NativeReplay['fault']>;

const FAULT_ROLES: Partial<Record<Fault['input'], Role>> = {
  bid: 'bid',
  clickRate: 'earlyCvr',
  viewRate: 'earlyVtr',
};

function faultError({ row, input }: Fault): PrerankError {
  const role = FAULT_ROLES[input];
  if (role !== undefined) {
    return new PrerankError('METRIC_INPUT', `replay: row ${row} has no ${role}, which its total value needs`, {
      row,
      column: ROLE_COLUMNS[role].column,
    });
  }
  const score = input === 'final' ? 'final total value' : 'early score';
  return new PrerankError('METRIC_INPUT', `replay: the ${score} of row ${row} is missing or not finite`, { row });
}
