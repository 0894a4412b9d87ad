/** The tables of an experiment as text cells: of rows with the paper's figure beside ours, of arms, of curves. */
import { type CurveResult, type ExperimentResult, resultRows, type StudyResult } from './experiment.js';
import type { MetricText } from './measures.js';
import { METRIC_TEXTS } from './metric-names.js';
import { type RowResult, SIGNIFICANCE } from './row-results.js';

/** `**text**` is emphasised. */
export interface Cells {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

const NONE = '–';

/** −0.0123 → `−1.23 %`; absolute changes keep their unit. */
export function formatChange(value: number | string | null, change: MetricText['change']): string {
  if (value === null) return NONE;
  if (typeof value === 'string') return value;
  const sign = value < 0 ? '−' : '+';
  const size = Math.abs(value);
  return change === 'absolute' ? `${sign}${size.toFixed(4)}` : `${sign}${(100 * size).toFixed(2)} %`;
}

function formatInterval({ low, high, change }: RowResult): string {
  return `${formatChange(low, change)} … ${formatChange(high, change)}`;
}

/** .0034 → `.003`; the least that resamples can show is `≤ .001`. */
export function formatP(p: number | null): string {
  if (p === null) return NONE;
  return p < 0.0015 ? '≤ .001' : p.toFixed(3).replace(/^0/, '');
}

/** What became of the claim. */
export function verdict({ holds, required, ours, p, paper }: RowResult): string {
  if (holds === null) return paper === null ? '' : 'no sign expected';
  if (holds) return required ? '**holds**' : 'holds';
  const reason = ours === null || p === null ? 'undefined' : p < SIGNIFICANCE ? 'opposite sign' : 'not significant';
  return required ? `**fails: ${reason}**` : reason;
}

/** How many seeds alone have the sign of all together. */
function agreement({ ours, seeds }: RowResult): string {
  const same = seeds.filter((seed) => seed !== null && ours !== null && Math.sign(seed) === Math.sign(ours)).length;
  return `${same}/${seeds.length}`;
}

export function rowsCells(rows: readonly RowResult[]): Cells {
  return {
    head: ['row', 'metric', 'paper', 'ours', '95 % interval', 'p', 'seeds', 'required', ''],
    rows: rows.map((row) => [
      row.row,
      METRIC_TEXTS[row.metric].title,
      formatChange(row.paper, row.change),
      formatChange(row.ours, row.change),
      formatInterval(row),
      formatP(row.p),
      agreement(row),
      row.required ? 'yes' : '',
      verdict(row),
    ]),
  };
}

function formatValue(value: number | null): string {
  return value === null ? NONE : value.toPrecision(4);
}

export function armsCells({ arms, shown }: StudyResult): Cells {
  const worlds = new Set(arms.map(({ world }) => world));
  return {
    head: ['arm', ...shown.map((name) => METRIC_TEXTS[name].title)],
    rows: arms.map(({ world, arm, values }) => [
      worlds.size > 1 ? `${world}: ${arm}` : arm,
      ...shown.map((name) => formatValue(values[name]?.value ?? null)),
    ]),
  };
}

/** A line for each number, a column for each series. */
export function curveCells({ x, series, measure }: CurveResult): Cells {
  const places = [...new Set(series.flatMap(({ points }) => points.map((point) => point.x)))].sort((a, b) => a - b);
  return {
    head: [x, ...series.map(({ name }) => `${METRIC_TEXTS[measure].title}: ${name}`)],
    rows: places.map((place) => [
      String(place),
      ...series.map(({ points }) => formatValue(points.find((point) => point.x === place)?.value ?? null)),
    ]),
  };
}

/** How many required rows hold. */
export function summaryLine(result: ExperimentResult): string {
  const required = resultRows(result).filter((row) => row.required);
  const holding = required.filter(({ holds }) => holds);
  const seeds = `${result.seeds} ${result.seeds === 1 ? 'seed' : 'seeds'}`;
  return `${seeds}; required rows that hold: ${holding.length} of ${required.length}.`;
}
