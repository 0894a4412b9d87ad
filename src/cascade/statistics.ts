/** Figures of a simulated world: sums over parts, merged in their order, and what they say. */
import type { Served } from './cascade.js';
import { expectedFeedback } from './feedback.js';
import type { LoggedRows } from './log-rows.js';
import { topRows } from './select.js';

/** Sums over requests and rows; all add up. */
export interface Sums {
  readonly requests: number;
  readonly rows: number;
  readonly impressions: number;
  /** Logged non-impressions that the early stage passed on, and those that it did not. */
  readonly finalNonImpressions: number;
  readonly earlyNonImpressions: number;
  /** Logged rows outside CTR traffic. */
  readonly qualityOnly: number;
  /** Observed on impressions, and their expectation. */
  readonly clicks: number;
  readonly conversions: number;
  readonly expectedClicks: number;
  readonly expectedConversions: number;
  readonly totalValue: number;
  /** Per event of `allEvents`. */
  readonly events: readonly number[];
  readonly expectedEvents: readonly number[];
  /** Over the logged rows. */
  readonly absoluteCqs: number;
  readonly action: number;
  /** Of the early stage against the final stage, where whole requests are logged. */
  readonly hardRecall: number;
  readonly softRecall: number;
  readonly softRequests: number;
  /** (request, ad) pairs scored by the early and the final stage. */
  readonly scored: number;
}

export function emptySums(events: number): Sums {
  const none = Array.from({ length: events }, () => 0);
  return {
    requests: 0,
    rows: 0,
    impressions: 0,
    finalNonImpressions: 0,
    earlyNonImpressions: 0,
    qualityOnly: 0,
    clicks: 0,
    conversions: 0,
    expectedClicks: 0,
    expectedConversions: 0,
    totalValue: 0,
    events: none,
    expectedEvents: none,
    absoluteCqs: 0,
    action: 0,
    hardRecall: 0,
    softRecall: 0,
    softRequests: 0,
    scored: 0,
  };
}

export function addSums(a: Sums, b: Sums): Sums {
  const added = Object.entries(a).map(([name, value]) => {
    const other = b[name as keyof Sums];
    if (typeof value === 'number') return [name, value + Number(other)];
    const list = other as readonly number[];
    return [name, (value as readonly number[]).map((item, i) => item + (list[i] ?? 0))];
  });
  return Object.fromEntries(added) as Sums;
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += Number.isNaN(value) ? 0 : value;
  return total;
}

/** @param complete whether `logged` holds every candidate, so that recall is defined. */
export function batchSums(served: Served, logged: LoggedRows, complete: boolean): Sums {
  const { retrieved, auction, impressions, feedback } = served;
  const expected = expectedFeedback(impressions);
  const rows = logged.candidates.rows;
  const shown = impressions.rows;
  const passed = logged.stage.reduce((count, _, row) => count + (isAuctioned(logged, row) ? 1 : 0), 0);
  const shownValues = served.shown.rows.reduce((total, row) => total + (auction.values.totalValue[row] ?? 0), 0);
  return {
    requests: retrieved.requests,
    rows,
    impressions: shown,
    finalNonImpressions: passed - shown,
    earlyNonImpressions: rows - passed,
    qualityOnly: logged.candidates.objective.reduce((count, aim) => count + (aim === 2 ? 1 : 0), 0),
    clicks: sum(feedback.click),
    conversions: sum(feedback.conversion),
    expectedClicks: sum(expected.click),
    expectedConversions: sum(expected.conversion),
    totalValue: shownValues,
    events: feedback.events.map(sum),
    expectedEvents: expected.events.map(sum),
    absoluteCqs: sum(logged.values.cqs.map(Math.abs)),
    action: sum(logged.values.action),
    ...(complete ? recallSums(served, logged) : { hardRecall: 0, softRecall: 0, softRequests: 0 }),
    scored: retrieved.rows + auction.candidates.rows + (rows - passed),
  };
}

function isAuctioned(logged: LoggedRows, row: number): boolean {
  return (logged.stage[row] ?? 0) > 1;
}

/** Recall of the early stage with K as many ads as the golden set has (metrics.md). */
function recallSums(served: Served, logged: LoggedRows): Pick<Sums, 'hardRecall' | 'softRecall' | 'softRequests'> {
  const { retrieved, early } = served;
  const { cascade } = retrieved.system.config;
  const k = cascade.golden ?? cascade.passed;
  const { totalValue } = logged.values;
  const picked = topRows(early.value, retrieved.offsets, k);
  const golden = topRows(totalValue, retrieved.offsets, k);
  const isGolden = new Set(golden.rows);
  const sums = { hardRecall: 0, softRecall: 0, softRequests: 0 };
  for (let i = 0; i < retrieved.requests; i += 1) {
    const mine = picked.rows.subarray(picked.offsets[i], picked.offsets[i + 1]);
    const best = golden.rows.subarray(golden.offsets[i], golden.offsets[i + 1]);
    const value = (rows: Uint32Array): number => rows.reduce((total, row) => total + (totalValue[row] ?? 0), 0);
    sums.hardRecall += mine.reduce((count, row) => count + (isGolden.has(row) ? 1 : 0), 0) / best.length;
    if (value(best) > 0) {
      sums.softRecall += value(mine) / value(best);
      sums.softRequests += 1;
    }
  }
  return sums;
}

/** What a log holds, in words that people compare; null where a figure is undefined. */
export interface LogFigures {
  readonly requests: number;
  readonly rows: number;
  readonly impressions: number;
  readonly finalNonImpressions: number;
  readonly earlyNonImpressions: number;
  readonly qualityOnly: number;
  /** Clicks per impression: observed and expected. */
  readonly ctr: number | null;
  readonly expectedCtr: number | null;
  /** Conversions per impression. */
  readonly cvr: number | null;
  readonly expectedCvr: number | null;
  readonly totalValuePerImpression: number | null;
  /** Events per impression, by name. */
  readonly eventRates: Readonly<Record<string, number | null>>;
  readonly expectedEventRates: Readonly<Record<string, number | null>>;
  /** Means over the logged rows: |CQS| and bid · EAR must be of one size, or quality cannot matter. */
  readonly meanAbsoluteCqs: number | null;
  readonly meanAction: number | null;
  /** Of the logging early stage, where whole requests are logged. */
  readonly hardRecall: number | null;
  readonly softRecall: number | null;
}

export function logFigures(sums: Sums, events: readonly string[]): LogFigures {
  const per = (value: number, count: number): number | null => (count > 0 ? value / count : null);
  const rates = (values: readonly number[]) =>
    Object.fromEntries(events.map((name, e) => [name, per(values[e] ?? 0, sums.impressions)]));
  const complete = sums.hardRecall > 0;
  return {
    requests: sums.requests,
    rows: sums.rows,
    impressions: sums.impressions,
    finalNonImpressions: sums.finalNonImpressions,
    earlyNonImpressions: sums.earlyNonImpressions,
    qualityOnly: sums.qualityOnly,
    ctr: per(sums.clicks, sums.impressions),
    expectedCtr: per(sums.expectedClicks, sums.impressions),
    cvr: per(sums.conversions, sums.impressions),
    expectedCvr: per(sums.expectedConversions, sums.impressions),
    totalValuePerImpression: per(sums.totalValue, sums.impressions),
    eventRates: rates(sums.events),
    expectedEventRates: rates(sums.expectedEvents),
    meanAbsoluteCqs: per(sums.absoluteCqs, sums.rows),
    meanAction: per(sums.action, sums.rows),
    hardRecall: complete ? per(sums.hardRecall, sums.requests) : null,
    softRecall: complete ? per(sums.softRecall, sums.softRequests) : null,
  };
}
