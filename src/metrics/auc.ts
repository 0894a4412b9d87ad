/** Area under the ROC curve, over all rows and within groups. The native metrics compute the same on millions of rows. */
import { groupRows } from './groups.js';
import {
  at,
  defined,
  type MetricValue,
  type Numbers,
  type RowOptions,
  requireUnit,
  undefinedBecause,
  usedRows,
  weightAt,
  withSkipped,
} from './value.js';

export interface GaucOptions extends RowOptions {
  /** What a group counts: its rows (sum of weights; default), its clicks (sum of weights times labels), or 1. */
  readonly groupWeight?: 'rows' | 'clicks' | 'one';
}

export interface GaucValue extends MetricValue {
  /** Groups with both classes. */
  readonly groups: number;
  /** Groups left out because they have one class only. */
  readonly skippedGroups: number;
}

function aucOfRows(rows: Uint32Array, scores: Numbers, labels: Numbers, weights: Numbers | undefined): number | null {
  const sorted = Uint32Array.from(rows).sort((a, b) => at(scores, a) - at(scores, b));
  let pairs = 0;
  let positive = 0;
  let negative = 0;
  for (let begin = 0; begin < sorted.length; ) {
    const score = at(scores, at(sorted, begin));
    let blockPositive = 0;
    let blockNegative = 0;
    let end = begin;
    for (; end < sorted.length && at(scores, at(sorted, end)) === score; end += 1) {
      const row = at(sorted, end);
      const w = weightAt(weights, row);
      blockPositive += w * at(labels, row);
      blockNegative += w * (1 - at(labels, row));
    }
    pairs += blockPositive * (negative + 0.5 * blockNegative);
    positive += blockPositive;
    negative += blockNegative;
    begin = end;
  }
  return positive > 0 && negative > 0 ? pairs / (positive * negative) : null;
}

/**
 * Weighted AUC, ties at ½. A soft label y is w·y of positive and w·(1 − y) of negative mass; a row against itself
 * counts ½.
 * Undefined without both classes.
 */
export function auc(scores: Numbers, labels: Numbers, options: RowOptions = {}): MetricValue {
  const { rows, skipped } = usedRows('auc', { scores, labels }, options);
  requireUnit('auc', 'the label', labels, rows);
  const value = aucOfRows(rows, scores, labels, options.weights);
  return withSkipped(value === null ? undefinedBecause('only one class') : defined(value), skipped);
}

/** Σ n_g·AUC_g / Σ n_g over groups with both classes. Undefined when there is none. */
export function gauc(scores: Numbers, labels: Numbers, groups: Numbers, options: GaucOptions = {}): GaucValue {
  const { rows, skipped } = usedRows('gauc', { scores, labels, groups }, options);
  requireUnit('gauc', 'the label', labels, rows);
  let sum = 0;
  let mass = 0;
  let used = 0;
  const members = groupRows(groups, rows);
  for (const group of members.values()) {
    const value = aucOfRows(group, scores, labels, options.weights);
    if (value === null) {
      continue;
    }
    const n = groupMass(group, labels, options);
    sum += n * value;
    mass += n;
    used += 1;
  }
  const result = mass > 0 ? defined(sum / mass) : undefinedBecause('no group has both classes');
  return withSkipped({ ...result, groups: used, skippedGroups: members.size - used }, skipped);
}

function groupMass(rows: Uint32Array, labels: Numbers, options: GaucOptions): number {
  if (options.groupWeight === 'one') {
    return 1;
  }
  const clicks = options.groupWeight === 'clicks';
  return rows.reduce((sum, row) => sum + weightAt(options.weights, row) * (clicks ? at(labels, row) : 1), 0);
}
