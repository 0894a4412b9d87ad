/** What a metric returns, and the checks that all metrics share (metrics.md, general rules). */
import { PrerankError } from '../base/errors.js';

/** Numbers of one metric; typed arrays for large inputs. */
export type Numbers = ArrayLike<number>;

/** A metric's value; null where it is undefined, with the reason. */
export interface MetricValue {
  readonly value: number | null;
  readonly reason?: string;
  /** Rows left out because of `nan: 'skip'`; absent when none. */
  readonly skippedRows?: number;
}

/** Options of metrics over rows. */
export interface RowOptions {
  /** Row weights, finite and not negative; default 1. */
  readonly weights?: Numbers;
  /** Rows with 0 take no part and are not inspected. */
  readonly mask?: Numbers;
  /** NaN or infinite inputs: an error (default), or the row is left out and counted. */
  readonly nan?: 'error' | 'skip';
}

/** An input that is NaN, infinite, out of its range or of the wrong length. */
export class MetricInputError extends PrerankError {
  readonly metric: string;
  readonly row: number | undefined;

  constructor(metric: string, message: string, row?: number) {
    super('METRIC_INPUT', `${metric}: ${message}`, row === undefined ? {} : { row });
    this.name = 'MetricInputError';
    this.metric = metric;
    this.row = row;
  }
}

export function defined(value: number): MetricValue {
  return { value };
}

export function undefinedBecause(reason: string): MetricValue {
  return { value: null, reason };
}

/** numerator / denominator, undefined with `reason` when the denominator is 0. */
export function ratio(numerator: number, denominator: number, reason: string): MetricValue {
  return denominator === 0 ? undefinedBecause(reason) : defined(numerator / denominator);
}

/** Named columns of equal length that a metric reads. */
export type Columns = Readonly<Record<string, Numbers>>;

/** Rows that a metric uses, as row numbers, and how many were left out for NaN or infinity. */
export interface UsedRows {
  readonly rows: Uint32Array;
  readonly skipped: number;
}

/**
 * Checks the columns and returns the rows to use.
 * @throws MetricInputError for different lengths, a NaN or infinite value (unless skipped) or a negative weight.
 */
export function usedRows(metric: string, columns: Columns, options: RowOptions): UsedRows {
  const all: [string, Numbers][] = Object.entries(columns);
  if (options.weights) {
    all.push(['weights', options.weights]);
  }
  const length = all[0]?.[1].length ?? 0;
  for (const [name, values] of options.mask ? [...all, ['mask', options.mask] as const] : all) {
    if (values.length !== length) {
      throw new MetricInputError(metric, `${name} has ${values.length} rows, ${all[0]?.[0]} has ${length}`);
    }
  }
  const rows = new Uint32Array(length);
  let count = 0;
  let skipped = 0;
  for (let row = 0; row < length; row += 1) {
    if (options.mask && options.mask[row] === 0) {
      continue;
    }
    const bad = all.find(([, values]) => !Number.isFinite(values[row]));
    if (bad === undefined) {
      rows[count] = row;
      count += 1;
    } else if (options.nan === 'skip') {
      skipped += 1;
    } else {
      throw new MetricInputError(metric, `${bad[0]} of row ${row} is ${bad[1][row]}`, row);
    }
  }
  const used = rows.subarray(0, count);
  checkWeights(metric, used, options.weights);
  return { rows: used, skipped };
}

function checkWeights(metric: string, rows: Uint32Array, weights: Numbers | undefined): void {
  if (weights === undefined) {
    return;
  }
  const negative = rows.find((row) => at(weights, row) < 0);
  if (negative !== undefined) {
    throw new MetricInputError(metric, `the weight of row ${negative} is negative`, negative);
  }
}

/** @throws MetricInputError unless every used value is in [0, 1]. */
export function requireUnit(metric: string, name: string, values: Numbers, rows: Uint32Array): void {
  const outside = rows.find((row) => !(at(values, row) >= 0 && at(values, row) <= 1));
  if (outside !== undefined) {
    throw new MetricInputError(metric, `${name} of row ${outside} is ${values[outside]}, not in [0, 1]`, outside);
  }
}

/** @throws MetricInputError unless k is a positive integer. */
export function requireK(metric: string, name: string, k: number): void {
  if (!Number.isSafeInteger(k) || k < 1) {
    throw new MetricInputError(metric, `${name} must be a positive integer, got ${k}`);
  }
}

/** Element of a column whose length was checked. */
export function at(values: Numbers, row: number): number {
  return values[row] ?? Number.NaN;
}

export function weightAt(weights: Numbers | undefined, row: number): number {
  return weights === undefined ? 1 : at(weights, row);
}

/** The value with the number of rows left out. */
export function withSkipped<T extends MetricValue>(value: T, skipped: number): T {
  return skipped === 0 ? value : { ...value, skippedRows: skipped };
}
