/** An A/B comparison as text. */
import type { AbResult, ComparedCost, ComparedMetric, TreatmentResult } from './ab.js';
import { BASES, type Basis } from './outcome.js';

const HEADINGS: Readonly<Record<Basis, string>> = {
  estimated: "by the final stage's estimates",
  expected: 'by the true probabilities',
  sampled: 'as users did',
};

/** Metrics whose change is told as a difference. */
const ABSOLUTE: readonly string[] = ['asq'];

const number = (value: number | null): string =>
  value === null ? '-' : Math.abs(value) >= 1000 ? Math.round(value).toString() : value.toPrecision(4);

const signed = (text: string, value: number): string => (value > 0 ? `+${text}` : text);

const percent = (value: number | null): string =>
  value === null ? '-' : signed(`${(100 * value).toFixed(2)} %`, value);

const absolute = (value: number | null): string => (value === null ? '-' : signed(value.toFixed(4), value));

const WIDTHS = [26, 12, 12, 12, 22, 8] as const;

function line(cells: readonly string[]): string {
  return cells
    .map((cell, i) => (i === 0 ? cell.padEnd(WIDTHS[0]) : cell.padStart(WIDTHS[i] ?? 0)))
    .join('')
    .trimEnd();
}

function metricLine(row: ComparedMetric): string {
  const isAbsolute = ABSOLUTE.includes(row.metric);
  const [change, low, high] = isAbsolute
    ? [row.difference, row.low, row.high]
    : [row.relative, row.relativeLow, row.relativeHigh];
  const show = isAbsolute ? absolute : percent;
  const bounds = interval(low, high, show);
  const p = row.p === null ? '-' : row.p.toFixed(3);
  return line([`  ${row.metric}`, number(row.a), number(row.b), show(change), bounds, p]);
}

function interval(low: number | null, high: number | null, show: (value: number) => string): string {
  return low === null || high === null ? '-' : `${show(low)} … ${show(high)}`;
}

function costLine({ metric, a, b, relative, relativeLow, relativeHigh }: ComparedCost): string {
  const bounds = interval(relativeLow, relativeHigh, percent);
  return line([`  ${metric}`, number(a), number(b), percent(relative), bounds]);
}

function treatmentText(control: string, { name, metrics, costs }: TreatmentResult): string {
  const groups = BASES.flatMap((basis) => [
    HEADINGS[basis],
    ...metrics.filter((row) => row.basis === basis).map(metricLine),
  ]);
  const cost = costs.length === 0 ? [] : ['serving, per request', ...costs.map(costLine)];
  return [
    `${name} against ${control}`,
    line(['', 'control', 'treatment', 'change', '95 %', 'p']),
    ...groups,
    ...cost,
  ].join('\n');
}

export function formatAb({ requests, first, resamples, control, treatments }: AbResult): string {
  const served = `${requests} requests from number ${first} on, served by every arm; intervals of ${resamples} resamples`;
  return [served, ...treatments.map((treatment) => treatmentText(control.name, treatment))].join('\n\n');
}
