/** What `evaluate` returns, and its table. */
import { PrerankError } from '../base/errors.js';
import type { ResolvedConfig } from '../config/types.js';
import type { Interval } from '../metrics/index.js';
import type { ChainScore } from './chain-scores.js';

/** A metric that is undefined on the data is null. */
export type MetricValues = Readonly<Record<string, number | null>>;

export interface EvaluationResult {
  readonly rows: number;
  /** Step of the evaluated parameters, when they are a checkpoint's or a run's in training. */
  readonly step: number | null;
  /** Metrics of each task, on the rows that carry its label. */
  readonly tasks: Readonly<Record<string, MetricValues>>;
  /** What the scores t1, t2 and etr of a whole-chain model are worth; absent for other models. */
  readonly scores?: Readonly<Record<ChainScore, MetricValues>>;
  /** Consistency with the final stage by replaying requests; null without request or final total value. */
  readonly replay: MetricValues | null;
  /** 95 % bootstrap intervals over requests of the replay's metrics, when asked for. */
  readonly intervals?: Readonly<Record<string, Interval>>;
  /** Why a metric is missing or null, and what was assumed. */
  readonly notes: readonly string[];
}

/** Dotted names: `eval.ctr.auc`, `eval.score.t1.auc`, `eval.replay.softRecall`. */
export function flattenMetrics(result: EvaluationResult): Map<string, number | null> {
  return new Map(
    Object.entries(nestMetrics(result)).flatMap(([group, metrics]) =>
      Object.entries(metrics).map(([name, value]) => [`eval.${group}.${name}`, value] as const),
    ),
  );
}

/** `metrics.eval` of summary.json and of metrics.jsonl. */
export function nestMetrics(result: EvaluationResult): Record<string, MetricValues> {
  const scores = Object.entries(result.scores ?? {}).map(([score, values]) => [`score.${score}`, values] as const);
  return {
    ...result.tasks,
    ...Object.fromEntries(scores),
    ...(result.replay === null ? {} : { replay: result.replay }),
  };
}

/** The value of a metric given as `ctr.auc` or `eval.ctr.auc`; undefined when there is no such metric. */
export function findMetric(result: EvaluationResult, name: string): number | null | undefined {
  return flattenMetrics(result).get(name.startsWith('eval.') ? name : `eval.${name}`);
}

/** The value of the early-stopping metric. CONFIG_INVALID, listing what there is, when the evaluation has no such metric. */
export function stoppingMetric(config: ResolvedConfig, result: EvaluationResult): number | null {
  const name = config.training.earlyStopping?.metric ?? '';
  const value = findMetric(result, name);
  if (value === undefined) {
    const names = [...flattenMetrics(result).keys()];
    throw new PrerankError('CONFIG_INVALID', `there is no metric ${name}; the evaluation gives ${names.join(', ')}`, {
      path: 'training.earlyStopping.metric',
    });
  }
  return value;
}

/** A plain text table: one line a task and metric. */
export function formatEvaluation(result: EvaluationResult): string {
  const { intervals = {} } = result;
  const known = Object.keys(intervals).length > 0;
  const rows = Object.entries(nestMetrics(result)).flatMap(([group, metrics]) =>
    Object.entries(metrics).map(([name, value], i) => {
      const interval = known ? [formatInterval(group === 'replay' ? intervals[name] : undefined)] : [];
      return [i === 0 ? group : '', name, formatValue(value), ...interval];
    }),
  );
  const lines = formatTable(['', 'metric', 'value', ...(known ? ['95 % interval'] : [])], rows);
  return [...lines, ...result.notes.map((note) => `note: ${note}`)].join('\n');
}

function formatInterval(interval: Interval | undefined): string {
  return interval === undefined ? '' : `${formatValue(interval.low)} to ${formatValue(interval.high)}`;
}

function formatValue(value: number | null): string {
  if (value === null) {
    return '-';
  }
  return Number.isInteger(value) ? String(value) : value.toPrecision(6);
}

/** Lines of a table whose columns are padded to their widest cell; columns of numbers are right-aligned. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const columns = head.map((title, i) => {
    const cells = rows.map((row) => row[i] ?? '');
    const width = Math.max(title.length, ...cells.map((cell) => cell.length));
    const numeric = cells.every((cell) => /^[-+.\de]*$/.test(cell));
    return [title, ...cells].map((cell) => (numeric ? cell.padStart(width) : cell.padEnd(width)));
  });
  return [head, ...rows].map((_, row) =>
    columns
      .map((cells) => cells[row])
      .join('  ')
      .trimEnd(),
  );
}
