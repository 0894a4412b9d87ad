/** Which rows of one log belong to training and which to evaluation. */
import type { ResolvedConfig } from '../config/types.js';
import { literal } from './duckdb.js';
import type { Log } from './log.js';
import { columnSql, type LogColumn, requireClass } from './log-columns.js';

const CLASSES = ['int', 'float', 'bool', 'string', 'time'] as const;

/** A value of the configuration as one of the column's type. */
function valueSql(column: LogColumn, value: string | number | boolean): string {
  const text = literal(String(value));
  return column.valueClass === 'string' ? text : `CAST(${text} AS ${column.type})`;
}

/**
 * Condition for the rows of a split, or undefined when there is none that SQL decides (no split, or one by a hash of the
 * request, which the native core draws). Rows without a value are for training.
 */
export function splitCondition(log: Log, config: ResolvedConfig, split: 'train' | 'eval'): string | undefined {
  const rule = config.data.split;
  if (rule === undefined || rule.by === 'hash') return undefined;
  const path = rule.by === 'time' ? 'data.columns.time' : 'data.split.column';
  const column = log.column(rule.by === 'time' ? (config.data.columns.time ?? '') : rule.column, path);
  requireClass(log, column, { classes: CLASSES, list: false, what: 'single values' }, path);
  const sql = column.valueClass === 'string' ? `CAST(${columnSql(column)} AS VARCHAR)` : columnSql(column);
  const condition =
    rule.by === 'time'
      ? `${sql} >= ${valueSql(column, rule.at)}`
      : `${sql} IN (${rule.eval.map((value) => valueSql(column, value)).join(', ')})`;
  const evaluated = `coalesce(${condition}, false)`;
  return split === 'eval' ? evaluated : `NOT ${evaluated}`;
}
