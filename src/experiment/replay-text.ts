/** Tables of replay evaluations and comparisons. */
import type { PairedDifference } from '../metrics/index.js';
import { formatTable } from '../train/evaluation-result.js';
import type { ComparisonAtK, RunComparison } from './compare-runs.js';
import type { Estimate, ReplayAtK, ReplayEvaluation } from './replay-evaluation.js';

export function formatReplay(result: ReplayEvaluation): string {
  const { requests, candidates, calibration, notes, resamples } = result;
  return [
    `${requests} requests, ${candidates} candidates; 95 % intervals of ${resamples} resamples of the requests`,
    ...result.results.flatMap((at) => ['', `K = ${at.k}`, ...overall(at), '', ...slices(at)]),
    '',
    `calibration of ctr: ${number(calibration.impressions)} on impressions, ${number(calibration.nonImpressions)} on non-impressions`,
    ...notes.map((note) => `note: ${note}`),
  ].join('\n');
}

function overall({ metrics, spread, softSkipped }: ReplayAtK): string[] {
  const spreads: Readonly<Record<string, number | null>> = spread;
  const rows = Object.entries(metrics).map(([name, estimate]) => [
    name,
    number(estimate.value),
    bounds(estimate.low, estimate.high),
    number(spreads[name] ?? null),
  ]);
  const skipped = softSkipped === 0 ? [] : [`${softSkipped} requests left out of soft recall`];
  return [...formatTable(['metric', 'value', '95 % interval', 'sd over requests'], rows), ...skipped];
}

function slices({ slices: found }: ReplayAtK): string[] {
  const value = (estimate: Estimate | undefined): string => number(estimate?.value ?? null);
  const rows = found.map(({ slice, candidates, metrics }) => [
    slice,
    String(candidates),
    value(metrics.recall),
    metrics.recall === undefined ? '-' : bounds(metrics.recall.low, metrics.recall.high),
    value(metrics.recallPooled),
    value(metrics.valueRecall),
    value(metrics.pickedShare),
    value(metrics.goldenShare),
  ]);
  const head = ['slice', 'candidates', 'recall', '95 % interval', 'pooled', 'by value', 'of picks', 'of golden'];
  return rows.length === 0 ? [] : formatTable(head, rows);
}

export function formatComparison({ requests, resamples, results, tasks, notes }: RunComparison): string {
  return [
    `${requests} requests; B − A with paired 95 % intervals of ${resamples} resamples of the requests`,
    ...results.flatMap((at) => ['', `K = ${at.k}`, ...table(at.differences), ...sliceDifferences(at)]),
    ...(tasks.length === 0 ? [] : ['', 'tasks', ...table(tasks)]),
    ...notes.map((note) => `note: ${note}`),
  ].join('\n');
}

/** Recall and share of the picks of every slice: the other metrics are in the JSON. */
function sliceDifferences({ slices: found }: ComparisonAtK): string[] {
  const rows = found.map(({ slice, candidates, differences }) => {
    const of = (name: string) => differences.find(({ metric }) => metric === name);
    const [recall, share] = [of('recall'), of('pickedShare')];
    return [
      slice,
      String(candidates),
      number(recall?.a ?? null),
      number(recall?.b ?? null),
      number(recall?.difference ?? null),
      bounds(recall?.low ?? null, recall?.high ?? null),
      pValue(recall?.p ?? null),
      number(share?.a ?? null),
      number(share?.b ?? null),
    ];
  });
  const head = ['slice', 'candidates', 'recall A', 'B', 'B − A', '95 % interval', 'p', 'of picks A', 'B'];
  return rows.length === 0 ? [] : ['', ...formatTable(head, rows)];
}

function pValue(p: number | null): string {
  return p === null ? '-' : p.toPrecision(2);
}

function table(differences: readonly PairedDifference[]): string[] {
  const rows = differences.map((d) => [
    d.metric,
    number(d.a),
    number(d.b),
    number(d.difference),
    bounds(d.low, d.high),
    percent(d.relative),
    `${percent(d.relativeLow)} to ${percent(d.relativeHigh)}`,
    pValue(d.p),
  ]);
  return formatTable(['metric', 'A', 'B', 'B − A', '95 % interval', 'relative', '95 % interval', 'p'], rows);
}

function bounds(low: number | null, high: number | null): string {
  return low === null || high === null ? '-' : `${number(low)} to ${number(high)}`;
}

function number(value: number | null): string {
  if (value === null) return '-';
  return Number.isInteger(value) ? String(value) : value.toPrecision(5);
}

function percent(value: number | null): string {
  return value === null ? '-' : `${(100 * value).toFixed(3)} %`;
}
