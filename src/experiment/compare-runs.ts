/** Two runs on the same replay log: paired differences of every metric (docs/evaluate.md). */
import { PrerankError } from '../base/errors.js';
import { type PairedDifference, pairedDifferences, type RequestMetric } from '../metrics/index.js';
import { SLICE_METRICS } from '../metrics/slice.js';
import type { Run } from '../train/run.js';
import { RESAMPLES, type ReplayOptions } from './replay-evaluation.js';
import { ReplayLog } from './replay-log.js';
import { replayRatios } from './replay-metrics.js';
import { taskMetricsByRequest } from './request-losses.js';
import { type ScoredLog, scoreLog } from './scored-log.js';
import { type MeasuredSlice, measureSlices, slicesOf } from './slices.js';

export interface SliceComparison {
  readonly slice: string;
  readonly candidates: number;
  readonly differences: readonly PairedDifference[];
}

export interface ComparisonAtK {
  readonly k: number;
  readonly differences: readonly PairedDifference[];
  /** New ads are those that run A's vocabulary does not have. */
  readonly slices: readonly SliceComparison[];
}

export interface RunComparison {
  readonly rows: number;
  readonly requests: number;
  readonly resamples: number;
  readonly seed: number;
  /** Metrics of the replay at each K. */
  readonly results: readonly ComparisonAtK[];
  /** NE and MSE of the tasks that both runs predict and the log has labels of. */
  readonly tasks: readonly PairedDifference[];
  readonly notes: readonly string[];
}

/**
 * b against a, on the same requests: every difference is b − a.
 * @throws PrerankError as `evaluateReplay`; INVALID_ARGUMENT when the runs read other requests or golden sets from the log.
 */
export async function compareRuns(a: Run, b: Run, options: ReplayOptions): Promise<RunComparison> {
  const log = await ReplayLog.open(options.replay);
  try {
    return await compareScored(await scoreLog(a, log), await scoreLog(b, log), options);
  } finally {
    await log.close();
  }
}

async function compareScored(a: ScoredLog, b: ScoredLog, options: ReplayOptions): Promise<RunComparison> {
  requireSame(a, b);
  const { config } = a.run;
  const { k: sizes = [config.evaluation.k], m = [], resamples = RESAMPLES, seed = config.training.seed } = options;
  const bootstrap = { resamples, seed };
  const notes = [...a.notes, ...b.notes];
  const slices = slicesOf(a, notes);
  const results: ComparisonAtK[] = [];
  let requests: Uint32Array = new Uint32Array();
  for (const k of sizes) {
    const ofA = await replayRatios(a, { k, m });
    const ofB = await replayRatios(b, { k, m });
    requests = ofA.requests;
    const { goldenValue: sameA, ...metricsA } = ofA.metrics;
    const { goldenValue: sameB, ...metricsB } = ofB.metrics;
    const [slicesA, slicesB] = [measureSlices(a, slices, k), measureSlices(b, slices, k)];
    const all = pairedDifferences({ ...metricsA, ...named(slicesA) }, { ...metricsB, ...named(slicesB) }, bootstrap);
    const whole = Object.keys(metricsA).length;
    results.push({
      k,
      differences: all.slice(0, whole),
      slices: slicesA.map(({ slice, candidates }, i) => ({
        slice,
        candidates,
        differences: SLICE_DIFFERENCES.map((metric, m) => ({
          ...(all[whole + i * SLICE_DIFFERENCES.length + m] as PairedDifference),
          metric,
        })),
      })),
    });
  }
  const [tasksA, tasksB] = [a, b].map((log) => taskMetricsByRequest(log, requests)) as [Metrics, Metrics];
  const both = Object.keys(tasksA).filter((name) => name in tasksB);
  const pick = (metrics: Metrics): Metrics =>
    Object.fromEntries(both.map((name) => [name, metrics[name] as RequestMetric]));
  return {
    rows: a.set.rows,
    requests: requests.length,
    resamples,
    seed,
    results,
    tasks: pairedDifferences(pick(tasksA), pick(tasksB), bootstrap),
    notes: [...new Set(notes)],
  };
}

type Metrics = Record<string, RequestMetric>;

/** The share of the golden set is the log's, whatever the run. */
const SLICE_DIFFERENCES = SLICE_METRICS.filter((name) => name !== 'goldenShare');

/** Slice by slice, the metrics of each in the order of `SLICE_DIFFERENCES`. */
function named(slices: readonly MeasuredSlice[]): Metrics {
  return Object.fromEntries(
    slices.flatMap(({ slice, metrics }) => SLICE_DIFFERENCES.map((name) => [`${slice}: ${name}`, metrics[name]])),
  );
}

/** Both runs must mean the same rows, requests and final stage, or nothing is paired. */
function requireSame(a: ScoredLog, b: ScoredLog): void {
  const same = <T extends Uint32Array | Float32Array>(x: T, y: T): boolean =>
    x.length === y.length && x.every((value, row) => Object.is(value, y[row]));
  if (same(a.requests, b.requests) && same(a.final, b.final)) return;
  throw new PrerankError(
    'INVALID_ARGUMENT',
    'the runs read other requests or final total values from the log: their data.columns must name the same columns',
  );
}
