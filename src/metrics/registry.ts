/** Every metric's name and which way is better, e.g. for early stopping. */

/** `target`: best at 1 (calibration). */
export type Direction = 'lower' | 'higher' | 'target';

export interface MetricInfo {
  readonly name: string;
  readonly direction: Direction;
}

export const METRICS: readonly MetricInfo[] = [
  { name: 'loss', direction: 'lower' },
  { name: 'logLoss', direction: 'lower' },
  { name: 'ne', direction: 'lower' },
  { name: 'auc', direction: 'higher' },
  { name: 'gauc', direction: 'higher' },
  { name: 'calibration', direction: 'target' },
  { name: 'ece', direction: 'lower' },
  { name: 'mse', direction: 'lower' },
  { name: 'nmse', direction: 'lower' },
  { name: 'r2', direction: 'higher' },
  { name: 'hardRecall', direction: 'higher' },
  { name: 'softRecall', direction: 'higher' },
  { name: 'recall', direction: 'higher' },
  { name: 'rcs', direction: 'higher' },
  { name: 'ndcg', direction: 'higher' },
  { name: 'tvd', direction: 'lower' },
  { name: 'ctr', direction: 'higher' },
  { name: 'cvr', direction: 'higher' },
  { name: 'xout', direction: 'lower' },
  { name: 'asq', direction: 'higher' },
];

/** How much better `value` is than `best` in the given direction, in the metric's units; negative when worse. */
export function improvement(direction: Direction, value: number, best: number): number {
  switch (direction) {
    case 'lower':
      return best - value;
    case 'higher':
      return value - best;
    case 'target':
      return Math.abs(best - 1) - Math.abs(value - 1);
  }
}
