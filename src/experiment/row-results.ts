/** Compares arms over the requests of several seeds: changes with intervals, p-values, and whether a claim holds. */
import { type Interval, interval } from '../metrics/bootstrap.js';
import { twoSided } from '../metrics/paired.js';
import { resampledSums } from '../metrics/resamples.js';
import { MEASURES, type Measure, type MetricText } from './measures.js';
import type { MetricName } from './metric-names.js';
import type { RequestSums, SumColumn } from './request-sums.js';
import type { RowPlan, Sign } from './study.js';

export const RESAMPLES = 2000;

/** A claim holds when the change has its sign with a p-value below. */
export const SIGNIFICANCE = 0.05;

export interface RowResult {
  readonly table: string;
  readonly row: string;
  readonly metric: MetricName;
  /** As a fraction (or absolute for `change: absolute`), or the paper's words; null where it says nothing. */
  readonly paper: number | string | null;
  /** treatment / control − 1, or treatment − control, with its 95 % interval; null where it is undefined. */
  readonly ours: number | null;
  readonly low: number | null;
  readonly high: number | null;
  /** Two-sided, of the sign of treatment − control. */
  readonly p: number | null;
  readonly change: MetricText['change'];
  readonly required: boolean;
  /** The expected sign at p < .05; null where no sign is expected. */
  readonly holds: boolean | null;
  readonly control: ArmFigure;
  readonly treatment: ArmFigure;
  /** `ours` of every seed alone. */
  readonly seeds: readonly (number | null)[];
}

/** Whether a change has the sign that is expected of it; null where none is. */
export function holds(sign: Sign | null, { ours, p }: Pick<RowResult, 'ours' | 'p'>): boolean | null {
  return sign === null ? null : ours !== null && p !== null && p < SIGNIFICANCE && Math.sign(ours) === sign;
}

export interface ArmFigure {
  readonly arm: string;
  readonly world: string;
  readonly value: number | null;
}

/** Sums of one arm: of every seed, and over resamples of every seed's requests. */
export interface ArmSums {
  /** [seed]. */
  readonly seeds: readonly Readonly<Record<SumColumn, number>>[];
  /** [resample]: each seed's requests drawn anew, summed over the seeds. */
  readonly resampled: Readonly<Record<SumColumn, Float64Array>>;
}

/**
 * Sums of arms over requests and over `resamples` resamples, stratified by seed: a resample draws, for each seed, as many of its
 * requests with replacement as there are. All arms see the same draws, so that differences are paired.
 *
 * @param bySeed [seed][arm], over the same requests in every arm of a seed.
 */
export function armSums<Arm extends string>(
  bySeed: readonly Readonly<Record<Arm, RequestSums>>[],
  resamples = RESAMPLES,
): Record<Arm, ArmSums> {
  const names = Object.keys(bySeed[0] ?? {}) as Arm[];
  const resampled = new Map<Arm, Record<string, Float64Array>>();
  for (const [seed, arms] of bySeed.entries()) {
    for (const set of ['cascade', 'heldOut'] as const) {
      const columns = names.flatMap((name) => Object.values(arms[name][set]));
      const sums = resampledSums(columns, { resamples, seed });
      for (const name of names) {
        const totals = resampled.get(name) ?? {};
        resampled.set(name, totals);
        for (const [column, values] of Object.entries(arms[name][set])) {
          const drawn = sums.get(values) ?? new Float64Array(resamples);
          const total = totals[column] ?? new Float64Array(resamples);
          totals[column] = total.map((value, i) => value + (drawn[i] ?? 0));
        }
      }
    }
  }
  const seedSums = (sums: RequestSums): Record<SumColumn, number> =>
    Object.fromEntries(
      [...Object.entries(sums.cascade), ...Object.entries(sums.heldOut)].map(([name, values]) => [
        name,
        values.reduce((total, value) => total + value, 0),
      ]),
    ) as Record<SumColumn, number>;
  return Object.fromEntries(
    names.map((name) => [
      name,
      { seeds: bySeed.map((arms) => seedSums(arms[name])), resampled: resampled.get(name) ?? {} },
    ]),
  ) as unknown as Record<Arm, ArmSums>;
}

/** The metric over all seeds' requests; null where it is undefined. */
export function measureValue(measure: Measure, { seeds }: ArmSums): number | null {
  return orNull(measure.value(measure.columns.map((column) => seeds.reduce((sum, one) => sum + one[column], 0))));
}

/** 95 % interval of the metric. */
export function measureInterval(measure: Measure, sums: ArmSums): Interval {
  return interval(resampledValues(measure, sums));
}

function seedValues(measure: Measure, { seeds }: ArmSums): number[] {
  return seeds.map((sums) => measure.value(measure.columns.map((column) => sums[column])));
}

function resampledValues(measure: Measure, { resampled }: ArmSums): Float64Array {
  const columns = measure.columns.map((column) => resampled[column]);
  return Float64Array.from({ length: columns[0]?.length ?? 0 }, (_, i) =>
    measure.value(columns.map((column) => column[i] ?? Number.NaN)),
  );
}

/** One row of a table. */
export function compareArms(plan: RowPlan, control: ArmSums, treatment: ArmSums): RowResult {
  const measure: Measure = MEASURES[plan.measure];
  const change = (before: number, after: number): number =>
    measure.change === 'absolute' ? after - before : after / before - 1;
  const before = measureValue(measure, control);
  const after = measureValue(measure, treatment);
  const resampledBefore = resampledValues(measure, control);
  const resampledAfter = resampledValues(measure, treatment);
  const ours = before === null || after === null ? null : orNull(change(before, after));
  const p = twoSided(resampledAfter.map((value, i) => value - (resampledBefore[i] ?? Number.NaN)));
  const seedsAfter = seedValues(measure, treatment);
  return {
    table: plan.table,
    row: plan.row,
    metric: plan.measure,
    paper: plan.paper,
    ours,
    ...interval(resampledAfter.map((value, i) => change(resampledBefore[i] ?? Number.NaN, value))),
    p,
    change: measure.change,
    required: plan.required,
    holds: holds(plan.sign, { ours, p }),
    control: { ...plan.control, value: before },
    treatment: { ...plan.treatment, value: after },
    seeds: seedValues(measure, control).map((value, i) => orNull(change(value, seedsAfter[i] ?? Number.NaN))),
  };
}

function orNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
