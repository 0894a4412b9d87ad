/** Mean and standard deviation of dense features and of the CQS over the training split. */
import type { Log } from './log.js';

export interface Moments {
  readonly mean: number;
  /** Population standard deviation; 1 for a constant column, so that standardising gives 0. */
  readonly std: number;
}

/** Sign-preserving log1p: sign(x) · log(1 + |x|), defined for negative values too. */
export function log1pSql(sql: string): string {
  return `(sign(${sql}) * ln(1 + abs(${sql})))`;
}

/**
 * Moments of several expressions in one scan. Null, NaN and infinite values do not count; a column without any other value has
 * mean 0 and std 1. One thread: sums in a fixed order, the same bits every time.
 */
export async function moments(log: Log, expressions: readonly string[]): Promise<Moments[]> {
  if (expressions.length === 0) return [];
  const inner = expressions.map((sql, i) => `${sql} AS x${i}`).join(', ');
  const outer = expressions.flatMap((_, i) => [
    `avg(x${i}) FILTER (isfinite(x${i}))`,
    `stddev_pop(x${i}) FILTER (isfinite(x${i}))`,
  ]);
  await log.database.run('SET threads = 1');
  const [row = []] = await log.database.rows(`SELECT ${outer.join(', ')} FROM (SELECT ${inner} FROM ${log.relation})`);
  await log.database.run('RESET threads');
  return expressions.map((_, i) => {
    const mean = Number(row[2 * i] ?? 0);
    const std = Number(row[2 * i + 1] ?? 0);
    return { mean, std: std > 0 && Number.isFinite(std) ? std : 1 };
  });
}
