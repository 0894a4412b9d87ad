/** How the configuration's columns are read: SQL expressions, value classes and label columns. */
import type { ResolvedConfig } from '../config/types.js';
import { SIMPLE_ROLES, type SimpleRole, taskSource } from '../config/types.js';
import { literal } from './duckdb.js';
import { type Feature, labelColumn, type Role } from './features.js';
import { columnSql, type Log, type LogColumn, requireClass } from './log.js';

export const OBJECTIVES = ['click', 'postClick', 'postImpression'] as const;

const isSimpleRole = (name: string): name is SimpleRole => (SIMPLE_ROLES as readonly string[]).includes(name);

/** The role that a task's label names, or undefined when it names a raw column. */
function labelRole(config: ResolvedConfig, label: string): Role | undefined {
  if (label === 'cqs') return config.data.columns.cqs === undefined ? undefined : 'cqs';
  if (!isSimpleRole(label) || label === 'time' || config.data.columns[label] === undefined) return undefined;
  return label;
}

export interface RawLabel {
  /** Raw and encoded column. */
  readonly source: string;
  readonly column: string;
  /** True when a task learns it as a probability: it must lie in [0, 1]. */
  readonly probability: boolean;
  readonly path: string;
}

/** Labels that are no role, each once. */
export function rawLabels(config: ResolvedConfig): RawLabel[] {
  const labels = new Map<string, RawLabel>();
  for (const [name, task] of Object.entries(config.tasks)) {
    if (taskSource(name, task) !== 'label' || task.label === undefined || labelRole(config, task.label)) continue;
    const probability = task.loss === 'bce' || (labels.get(task.label)?.probability ?? false);
    labels.set(task.label, {
      source: task.label,
      column: labelColumn(task.label),
      probability,
      path: `tasks.${name}.label`,
    });
  }
  return [...labels.values()];
}

/** A number column as DOUBLE. */
export function numberSql(log: Log, name: string, path: string): string {
  const column = log.column(name, path);
  requireClass(log, column, { classes: ['int', 'float', 'bool'], list: false, what: 'a number or a boolean' }, path);
  return `CAST(${columnSql(column)} AS DOUBLE)`;
}

/** A column of names (or of their positions) as DOUBLE positions; an unknown name gives −1. */
export function namedSql(log: Log, name: string, names: readonly string[], path: string): string {
  const column = log.column(name, path);
  const what = `one of ${names.join(', ')}, or 0 … ${names.length - 1}`;
  requireClass(log, column, { classes: ['int', 'string'], list: false, what }, path);
  if (column.valueClass === 'int') return `CAST(${columnSql(column)} AS DOUBLE)`;
  const list = `[${names.map(literal).join(', ')}]`;
  const sql = columnSql(column);
  return `CASE WHEN ${sql} IS NULL THEN NULL ELSE coalesce(list_position(${list}, ${sql}), 0) - 1 END::DOUBLE`;
}

/** The CQS as DOUBLE: the column, or Σ scalar · event (null when an event is null). */
export function cqsSql(log: Log, config: ResolvedConfig): string | undefined {
  const cqs = config.data.columns.cqs;
  if (cqs === undefined) return undefined;
  if (typeof cqs === 'string') return numberSql(log, cqs, 'data.columns.cqs');
  const terms = cqs.events.map(({ column, scalar }, i) => {
    return `CAST('${scalar}' AS DOUBLE) * ${numberSql(log, column, `data.columns.cqs.events[${i}].column`)}`;
  });
  return `(${terms.join(' + ')})`;
}

export type IdType = 'int' | 'string';

const ID_CLASSES = ['int', 'string', 'bool', 'time'] as const;

/** The column of an id feature or id role, checked, with how its values are told apart. */
export function idColumn(log: Log, name: string, list: boolean, path: string): { column: LogColumn; type: IdType } {
  const column = log.column(name, path);
  const what = list ? 'a list of integers or strings' : 'integers or strings';
  requireClass(log, column, { classes: ID_CLASSES, list, what }, path);
  return { column, type: column.valueClass === 'int' ? 'int' : 'string' };
}

/** An unsigned 64-bit integer keeps its bits: the upper half becomes negative. */
export function int64Sql(sql: string, type: string): string {
  if (!type.startsWith('UBIGINT')) return `CAST(${sql} AS BIGINT)`;
  return `CASE WHEN ${sql} > 9223372036854775807 THEN (${sql}::HUGEINT - 18446744073709551616)::BIGINT ELSE ${sql}::BIGINT END`;
}

/** Where the configuration defines a feature, for messages. */
export function featurePath(config: ResolvedConfig, feature: Pick<Feature, 'name' | 'side'>): string {
  const index = config.data.features[feature.side].findIndex(({ name }) => name === feature.name);
  return index < 0 ? `feature ${feature.name}` : `data.features.${feature.side}[${index}]`;
}
