/** A loader benchmark as text. */
import { formatTable } from '../train/evaluation-result.js';
import type { LoaderBenchResult } from './loader.js';
import { milliseconds, percent, thousands } from './text.js';

export function formatLoader(result: LoaderBenchResult): string {
  const { dataset, rows, batch, threads, loader, training, environment } = result;
  const lines = loader.map(({ shuffle, seconds, rowsPerSecond, bytesPerSecond }) => [
    shuffle,
    thousands(rowsPerSecond),
    milliseconds(seconds.p50),
    `${(bytesPerSecond / 1e9).toPrecision(3)} GB/s`,
  ]);
  return [
    `${dataset}: ${rows} rows, batch ${batch}, ${threads} thread${threads === 1 ? '' : 's'}, ` +
      `cores ${environment.cores.join(',')} (${environment.cpu})`,
    '',
    ...formatTable(['shuffle', 'rows/s', 'a batch', 'gathered'], lines),
    '',
    `training ${training.model} on it: ${thousands(training.samplesPerSecond)} samples/s, ` +
      `waiting for data ${percent(training.waitShare)}`,
  ].join('\n');
}
