/** Slices of a replay log's candidates. */
import { ROLE_COLUMNS } from '../data/features.js';
import { OBJECTIVES } from '../data/plan-columns.js';
import { groupByRequest, markTop } from '../metrics/request-top.js';
import { type SliceMetrics, sliceMetrics } from '../metrics/slice.js';
import type { ScoredLog } from './scored-log.js';

/** Candidates with something in common. */
export interface Slice {
  readonly name: string;
  readonly has: (row: number) => boolean;
}

export interface MeasuredSlice {
  readonly slice: string;
  readonly candidates: number;
  readonly metrics: SliceMetrics;
}

const DECILES = 10;

/** Metrics of slices where both stages pick k of a request. */
export function measureSlices(
  { requests: codes, final, early }: ScoredLog,
  slices: readonly Slice[],
  k: number,
): MeasuredSlice[] {
  const requests = groupByRequest(codes, (row) => !Number.isNaN(final[row]));
  const candidates = { requests, final, picked: markTop(requests, early, k), golden: markTop(requests, final, k) };
  return slices.map(({ name, has }) => ({ slice: name, ...sliceMetrics(candidates, has) }));
}

/** The slices that a log's columns and the run's vocabulary allow; why others are missing is added to `notes`. */
export function slicesOf(log: ScoredLog, notes: string[]): Slice[] {
  return [...byObjective(log), ...byImpression(log, notes), ...byNovelty(log, notes), ...byBid(log, notes)];
}

function byObjective({ set }: ScoredLog): Slice[] {
  const { column } = ROLE_COLUMNS.objective;
  if (!set.columns.has(column)) return [];
  const objectives = set.column(column);
  return OBJECTIVES.map((name, i) => ({ name: `objective ${name}`, has: (row) => objectives[row] === i }));
}

function byImpression({ set }: ScoredLog, notes: string[]): Slice[] {
  const { column } = ROLE_COLUMNS.impression;
  if (!set.columns.has(column)) {
    notes.push('no slices of impressions: the log does not say what was shown');
    return [];
  }
  const shown = set.column(column);
  return [
    { name: 'impressions', has: (row) => shown[row] === 1 },
    { name: 'non-impressions', has: (row) => shown[row] !== 1 },
  ];
}

/** Ads whose id the training vocabulary does not have: row 0 of the table of the ad id. */
function byNovelty({ run, set }: ScoredLog, notes: string[]): Slice[] {
  const source = run.config.data.columns.ad;
  const feature = run.features.features.find((known) => known.kind === 'categorical' && known.source === source);
  const table = feature?.kind === 'categorical' ? feature.table : undefined;
  const mapping = run.features.tables.find(({ name }) => name === table)?.mapping;
  if (feature === undefined || mapping?.kind !== 'vocabulary') {
    notes.push('no slice of new ads: the model has no vocabulary of ad ids');
    return [];
  }
  const ids = set.column(feature.column);
  return [
    { name: 'new ads', has: (row) => ids[row] === 0 },
    { name: 'known ads', has: (row) => ids[row] !== 0 },
  ];
}

/** Equal bids are in one slice. */
function byBid({ set, final }: ScoredLog, notes: string[]): Slice[] {
  const { column } = ROLE_COLUMNS.bid;
  if (!set.columns.has(column)) {
    notes.push('no slices of bids: the log has none');
    return [];
  }
  const bids = set.column(column);
  const sorted = bids.filter((_, row) => !Number.isNaN(final[row])).sort();
  // The highest bid of every decile.
  const bounds = Array.from(
    { length: DECILES },
    (_, d) => sorted[Math.max(0, Math.ceil(((d + 1) * sorted.length) / DECILES) - 1)] ?? 0,
  );
  return bounds.map((high, d) => {
    const low = d === 0 ? Number.NEGATIVE_INFINITY : (bounds[d - 1] ?? 0);
    return { name: `bid decile ${d + 1}`, has: (row) => (bids[row] ?? 0) > low && (bids[row] ?? 0) <= high };
  });
}
