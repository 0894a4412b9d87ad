/** A benchmark of the cascade as text. */
import { formatTable } from '../train/evaluation-result.js';
import type { CascadeBenchResult } from './cascade.js';
import { milliseconds, thousands } from './text.js';

export function formatCascade({ threads, retrieved, environment, results }: CascadeBenchResult): string {
  const rows = results.map(({ stage, pairs, pairsPerSecond, pairsPerCpuSecond, round }) => [
    `${stage} stage's oracle`,
    thousands(pairs),
    milliseconds(round.p50),
    `${milliseconds(round.low)} to ${milliseconds(round.high)}`,
    thousands(pairsPerSecond),
    thousands(pairsPerCpuSecond),
  ]);
  return [
    `${threads} threads, ${retrieved} ads a request (${environment.cpu}, load ${environment.load.toFixed(1)})`,
    '',
    ...formatTable(['scorer', 'pairs', 'median', '95 % interval', 'pairs/s', 'pairs/CPU s'], rows),
  ].join('\n');
}
