/** Judges a run on a replay log: consistency with the final stage, for all candidates and by slice (docs/evaluate.md). */
import type { SourceConfig } from '../config/types.js';
import { ROLE_COLUMNS } from '../data/features.js';
import { bootstrapIntervals, type Interval, type RequestRatio } from '../metrics/index.js';
import { deviation } from '../train/replay-figures.js';
import type { Run } from '../train/run.js';
import { type Judge, weightedCalibration } from '../train/task-metrics.js';
import { ReplayLog } from './replay-log.js';
import { replayRatios } from './replay-metrics.js';
import { type ScoredLog, scoreLog } from './scored-log.js';
import { measureSlices, slicesOf } from './slices.js';

export const RESAMPLES = 1000;

export interface ReplayOptions {
  /** Files of complete requests with the final stage's total values, or a dataset folder. */
  readonly replay: SourceConfig;
  /** Default: `evaluation.k` of the run. */
  readonly k?: readonly number[];
  /** Early picks of RCS beside k. */
  readonly m?: readonly number[];
  /** Of the bootstrap; default: 1000. */
  readonly resamples?: number;
  /** Of the bootstrap; default: the run's. */
  readonly seed?: number;
}

/** A metric; null where it is undefined. Bounds of its 95 % bootstrap interval over requests. */
export interface Estimate extends Interval {
  readonly value: number | null;
}

export interface SliceResult {
  readonly slice: string;
  readonly candidates: number;
  readonly metrics: Readonly<Record<string, Estimate>>;
}

export interface ReplayAtK {
  readonly k: number;
  readonly metrics: Readonly<Record<string, Estimate>>;
  /** Standard deviations over requests. */
  readonly spread: { readonly hardRecall: number | null; readonly softRecall: number | null };
  /** Requests left out of soft recall: their golden set is not worth more than 0. */
  readonly softSkipped: number;
  readonly slices: readonly SliceResult[];
}

export interface ReplayEvaluation {
  readonly rows: number;
  /** With candidates. */
  readonly requests: number;
  readonly candidates: number;
  readonly resamples: number;
  readonly seed: number;
  readonly results: readonly ReplayAtK[];
  /** Σ prediction / Σ label of CTR: on impressions against clicks, elsewhere against the final stage's. */
  readonly calibration: { readonly impressions: number | null; readonly nonImpressions: number | null };
  readonly notes: readonly string[];
}

/**
 * Replays a log with a run as the early stage.
 * @throws PrerankError COLUMN_MISSING for a log or configuration without request or final total value, METRIC_INPUT naming
 * the row of a score that is missing, and what reading the log may throw.
 */
export async function evaluateReplay(run: Run, options: ReplayOptions): Promise<ReplayEvaluation> {
  const log = await ReplayLog.open(options.replay);
  try {
    return await evaluateScored(await scoreLog(run, log), options);
  } finally {
    await log.close();
  }
}

async function evaluateScored(log: ScoredLog, options: ReplayOptions): Promise<ReplayEvaluation> {
  const { config } = log.run;
  const { k: sizes = [config.evaluation.k], m = [], resamples = RESAMPLES, seed = config.training.seed } = options;
  const { set, final } = log;
  const notes = [...log.notes];
  const slices = slicesOf(log, notes);
  const results: ReplayAtK[] = [];
  let requests = 0;
  for (const k of sizes) {
    const { requests: codes, figures, metrics } = await replayRatios(log, { k, m });
    requests = codes.length;
    const found = measureSlices(log, slices, k);
    const named = Object.fromEntries(
      found.flatMap((slice, i) => Object.entries(slice.metrics).map(([name, ratio]) => [`${i}:${name}`, ratio])),
    );
    const estimates = estimatesOf({ ...metrics, ...named }, { resamples, seed });
    const pick = (names: readonly string[], prefix = ''): Record<string, Estimate> =>
      Object.fromEntries(names.flatMap((name) => [[name, estimates[`${prefix}${name}`] as Estimate]]));
    const spread = (name: 'hardRecall' | 'softRecall'): number | null => {
      const { numerator, denominator } = metrics[name] as RequestRatio;
      return deviation(numerator, denominator, estimates[name]?.value);
    };
    results.push({
      k,
      metrics: pick(Object.keys(metrics)),
      spread: { hardRecall: spread('hardRecall'), softRecall: spread('softRecall') },
      softSkipped: figures.softDenominator.filter((value) => !(value > 0)).length,
      slices: found.map((slice, i) => ({
        slice: slice.slice,
        candidates: slice.candidates,
        metrics: pick(Object.keys(slice.metrics), `${i}:`),
      })),
    });
  }
  return {
    rows: set.rows,
    requests,
    candidates: final.reduce((count, value) => count + (Number.isNaN(value) ? 0 : 1), 0),
    resamples,
    seed,
    results,
    calibration: await calibrationOf(log),
    notes,
  };
}

function estimatesOf(
  metrics: Readonly<Record<string, RequestRatio>>,
  bootstrap: { readonly resamples: number; readonly seed: number },
): Record<string, Estimate> {
  const intervals = bootstrapIntervals(metrics, bootstrap);
  const sum = (values: Float64Array): number => values.reduce((total, value) => total + value, 0);
  return Object.fromEntries(
    Object.entries(metrics).map(([name, { numerator, denominator }]) => {
      const below = sum(denominator);
      const value = below === 0 ? null : sum(numerator) / below;
      return [name, { value, low: intervals[name]?.low ?? null, high: intervals[name]?.high ?? null }];
    }),
  );
}

async function calibrationOf({ run, set, predictions }: ScoredLog): Promise<ReplayEvaluation['calibration']> {
  const prediction = predictions.get('ctr');
  const { impression, click, finalCtr, ctrTraffic, weight } = ROLE_COLUMNS;
  const present = ({ column }: { readonly column: string }): string | undefined =>
    set.columns.has(column) ? column : undefined;
  const shown = present(impression);
  if (prediction === undefined || shown === undefined) return { impressions: null, nonImpressions: null };
  const judge: Judge = { dataset: set.native, metrics: run.addon.metrics, task: 'ctr' };
  const rows = { shown, traffic: present(ctrTraffic), weight: present(weight), prediction };
  const against = (label: string | undefined, shownIs: boolean): Promise<number | null> =>
    label === undefined ? Promise.resolve(null) : weightedCalibration(judge, { ...rows, label, shownIs });
  return {
    impressions: await against(present(click), true),
    nonImpressions: await against(present(finalCtr), false),
  };
}
