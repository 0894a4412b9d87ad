/** How the configuration's columns are read: SQL expressions, value classes and label columns. */
import type { ResolvedConfig } from '../config/types.js';
import { SIMPLE_ROLES, type SimpleRole, STAGES, taskSource } from '../config/types.js';
import { literalList } from './duckdb.js';
import { DERIVED_LABELS, type DerivedLabelName, type Feature, labelColumn, type Role } from './features.js';
import type { Log } from './log.js';
import { columnSql, elementType, type LogColumn, requireClass } from './log-columns.js';

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

export interface DerivedLabel {
  readonly name: DerivedLabelName;
  /** Columns of the log: the first event and the second. */
  readonly first: string;
  readonly second: string;
  /** Encoded column. */
  readonly column: string;
  readonly path: string;
}

const isDerived = (source: string): source is DerivedLabelName => Object.hasOwn(DERIVED_LABELS, source);

/** Labels that tasks make of impression, click, conversion and stage. */
export function derivedLabels(config: ResolvedConfig): DerivedLabel[] {
  const { impression, click, conversion, stage } = config.data.columns;
  const events: Readonly<Record<DerivedLabelName, readonly (string | undefined)[]>> = {
    cvr: [click, conversion],
    ctcvr: [click, conversion],
    etr: [impression, impression],
    etctr: [impression, click],
    itr: [impression, impression],
    dropped: [stage, stage],
  };
  return Object.entries(config.tasks).flatMap(([task, settings]): DerivedLabel[] => {
    const name = taskSource(task, settings);
    if (name === undefined || !isDerived(name)) return [];
    const [first, second] = events[name];
    if (first === undefined || second === undefined) return [];
    return [{ name, first, second, column: DERIVED_LABELS[name], path: `tasks.${task}` }];
  });
}

/** A derived label as DOUBLE, null where it teaches nothing. */
export function derivedSql(log: Log, { name, first, second, path }: DerivedLabel): string {
  if (name === 'dropped')
    return `CAST(${namedSql(log, first, STAGES, path)} = ${STAGES.indexOf('retrieved')} AS DOUBLE)`;
  const [before, after] = [doubleSql(log, first, path), doubleSql(log, second, path)];
  if (name === 'etr') return before;
  if (name === 'itr') return `1.0 - ${before}`;
  const happened = `WHEN ${before} = 1 THEN ${after}`;
  if (name === 'cvr') return `CASE ${happened} END`;
  return `CASE ${happened} WHEN ${before} = 0 AND coalesce(${after}, 0) = 0 THEN 0.0 END`;
}

/** Types that the native core takes as they are; other numbers are cast to DOUBLE, other integers to BIGINT. */
const NATIVE_NUMBER = /^(BOOLEAN|U?(TINY|SMALL|BIG)?INT(EGER)?|FLOAT|DOUBLE)$/;
const NATIVE_INTEGER = /^U?(TINY|SMALL|BIG)?INT(EGER)?$/;

function checkNumber(log: Log, name: string, path: string): LogColumn {
  const column = log.column(name, path);
  requireClass(log, column, { classes: ['int', 'float', 'bool'], list: false, what: 'a number or a boolean' }, path);
  return column;
}

/** A number column as the native core takes it. */
export function numberSql(log: Log, name: string, path: string): string {
  const column = checkNumber(log, name, path);
  const sql = columnSql(column);
  return NATIVE_NUMBER.test(column.type) ? sql : `CAST(${sql} AS DOUBLE)`;
}

/** A number column as DOUBLE. */
export function doubleSql(log: Log, name: string, path: string): string {
  return `CAST(${columnSql(checkNumber(log, name, path))} AS DOUBLE)`;
}

/** A column of names (or of their positions) as positions; an unknown name gives −1. */
export function namedSql(log: Log, name: string, names: readonly string[], path: string): string {
  const column = log.column(name, path);
  const what = `one of ${names.join(', ')}, or 0 … ${names.length - 1}`;
  requireClass(log, column, { classes: ['int', 'string'], list: false, what }, path);
  if (column.valueClass === 'int') return numberSql(log, name, path);
  const sql = columnSql(column);
  return `CASE WHEN ${sql} IS NULL THEN NULL ELSE coalesce(list_position(${literalList(names)}, CAST(${sql} AS VARCHAR)), 0) - 1 END::INTEGER`;
}

/** The CQS: the column, or Σ scalar · event as DOUBLE (null when an event is null). */
export function cqsSql(log: Log, config: ResolvedConfig): string | undefined {
  const cqs = config.data.columns.cqs;
  if (cqs === undefined) return undefined;
  if (typeof cqs === 'string') return doubleSql(log, cqs, 'data.columns.cqs');
  const terms = cqs.events.map(({ column, scalar }, i) => {
    return `CAST('${scalar}' AS DOUBLE) * ${doubleSql(log, column, `data.columns.cqs.events[${i}].column`)}`;
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

/** A column of ids, or of lists of them, as the native core takes it: integers or VARCHAR. */
export function idSql(column: LogColumn, type: IdType): string {
  const sql = columnSql(column);
  const element = elementType(column.type) ?? column.type;
  const brackets = column.list ? '[]' : '';
  const native = type === 'int' ? NATIVE_INTEGER.test(element) : element === 'VARCHAR';
  const target = `${native ? element : type === 'int' ? 'BIGINT' : 'VARCHAR'}${brackets}`;
  return target === column.type ? sql : `CAST(${sql} AS ${target})`;
}

/** A list of weights. */
export function weightsSql(log: Log, name: string, path: string): string {
  const column = log.column(name, path);
  requireClass(log, column, { classes: ['int', 'float'], list: true, what: 'a list of numbers' }, path);
  const sql = columnSql(column);
  return /^(FLOAT|DOUBLE)\[\]$/.test(column.type) ? sql : `CAST(${sql} AS DOUBLE[])`;
}

/** A column of times whose order is that of time: BIGINT, DOUBLE or VARCHAR. */
export function timeSql(log: Log, name: string): string {
  const path = 'data.columns.time';
  const column = log.column(name, path);
  const what = 'a time, a number or a string';
  requireClass(log, column, { classes: ['int', 'float', 'bool', 'string', 'time'], list: false, what }, path);
  const sql = columnSql(column);
  if (NATIVE_INTEGER.test(column.type) && column.type !== 'UBIGINT') return `CAST(${sql} AS BIGINT)`;
  if (column.valueClass === 'int' || column.valueClass === 'float') return `CAST(${sql} AS DOUBLE)`;
  if (column.type === 'TIMESTAMP_NS') return `epoch_ns(${sql})`;
  if (/^(DATE|TIMESTAMP)/.test(column.type)) return `epoch_us(${sql})`;
  return `CAST(${sql} AS VARCHAR)`;
}

/** Where the configuration defines a feature, for messages. */
export function featurePath(config: ResolvedConfig, feature: Pick<Feature, 'name' | 'side'>): string {
  const index = config.data.features[feature.side].findIndex(({ name }) => name === feature.name);
  return index < 0 ? `feature ${feature.name}` : `data.features.${feature.side}[${index}]`;
}
