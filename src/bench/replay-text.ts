/** A replay benchmark as text. */
import { formatTable } from '../train/evaluation-result.js';
import type { ReplayBenchResult } from './replay.js';
import { milliseconds, percent, thousands } from './text.js';

const gigabytes = (bytesPerSecond: number): string => `${(bytesPerSecond / 1e9).toPrecision(3)} GB/s`;

export function formatReplay({ rows, requests, read, replays, environment }: ReplayBenchResult): string {
  const lines = replays.map(({ k, seconds, bytesPerSecond, ratio, ratioLow, ratioHigh }) => [
    `K = ${k}`,
    milliseconds(seconds.p50),
    gigabytes(bytesPerSecond),
    `${percent(ratio)} (${percent(ratioLow)} to ${percent(ratioHigh)})`,
  ]);
  return [
    `${thousands(rows)} candidates of ${thousands(requests)} requests, 1 thread, ` +
      `cores ${environment.cores.join(',')} (${environment.cpu})`,
    '',
    ...formatTable(
      ['replay', 'seconds', 'read', 'of a plain read'],
      [['plain read', milliseconds(read.seconds.p50), gigabytes(read.bytesPerSecond), ''], ...lines],
    ),
  ].join('\n');
}
