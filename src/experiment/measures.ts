/** The metrics of an experiment as functions of request sums (metrics.md; framework.md §6.3, §6.4). */
import { neOfSums } from '../metrics/ne.js';
import { emptySums } from '../metrics/sums.js';
import type { RequestSet, SumColumn } from './request-sums.js';

/** How a metric is written. */
export interface MetricText {
  readonly title: string;
  /** How two arms are compared: treatment / control − 1, or treatment − control. */
  readonly change: 'relative' | 'absolute';
}

export interface Measure extends MetricText {
  readonly set: RequestSet;
  readonly columns: readonly SumColumn[];
  /** Of the columns' sums over requests, in their order; NaN where it is undefined. */
  readonly value: (sums: readonly number[]) => number;
}

const share = ([numerator = 0, denominator = 0]: readonly number[]): number =>
  denominator === 0 ? Number.NaN : numerator / denominator;

function ratio(
  title: string,
  set: RequestSet,
  columns: readonly [SumColumn, SumColumn],
  change: Measure['change'] = 'relative',
): Measure {
  return { title, set, columns, value: share, change };
}

export const MEASURES = {
  softRecall: ratio('soft recall', 'cascade', ['soft', 'softDefined']),
  hardRecall: ratio('hard recall', 'cascade', ['hits', 'golden']),
  ne: {
    title: 'NE of CTR',
    set: 'heldOut',
    columns: ['loss', 'judged', 'clicked'],
    value: ([loss = 0, weight = 0, target = 0]) =>
      neOfSums({ ...emptySums(), loss, weight, target }).value ?? Number.NaN,
    change: 'relative',
  },
  calibration: ratio('calibration of CTR', 'heldOut', ['predicted', 'clicked']),
  mse: ratio('MSE of CQS', 'heldOut', ['squared', 'rows']),
  ctr: ratio('CTR', 'cascade', ['clicks', 'impressions']),
  cvr: ratio('CVR', 'cascade', ['conversions', 'impressions']),
  crossOutRate: ratio('Xout rate', 'cascade', ['crossOuts', 'impressions']),
  asq: ratio('ASQ', 'cascade', ['survey', 'surveyed'], 'absolute'),
  totalValue: ratio('total value per impression', 'cascade', ['value', 'impressions']),
  tvd: ratio('TVD', 'cascade', ['difference', 'size']),
  sampledCtr: ratio('CTR, as sampled', 'cascade', ['sampledClicks', 'impressions']),
  sampledCvr: ratio('CVR, as sampled', 'cascade', ['sampledConversions', 'impressions']),
  sampledCrossOutRate: ratio('Xout rate, as sampled', 'cascade', ['sampledCrossOuts', 'impressions']),
} as const satisfies Readonly<Record<string, Measure>>;

export type MeasureName = keyof typeof MEASURES;

/** Measures that are shown of every arm. */
export const SHOWN_MEASURES: readonly MeasureName[] = [
  'softRecall',
  'hardRecall',
  'ne',
  'calibration',
  'mse',
  'ctr',
  'cvr',
  'crossOutRate',
  'asq',
  'totalValue',
  'tvd',
];
