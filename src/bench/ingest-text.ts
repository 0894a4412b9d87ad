/** An ingestion benchmark as text. */
import { formatTable } from '../train/evaluation-result.js';
import type { IngestBenchResult } from './ingest.js';
import { mebibytes, percent, thousands } from './text.js';

export function formatIngest(result: IngestBenchResult): string {
  const { rows, columns, threads, rounds, duckdb, variants, memory, environment } = result;
  const lines = variants.map(({ name, seconds, rowsPerSecond, ratio, ratioLow, ratioHigh, bytes }) => [
    name,
    `${seconds.p50.toFixed(2)} s`,
    thousands(rowsPerSecond),
    percent(ratio),
    `${percent(ratioLow)} to ${percent(ratioHigh)}`,
    mebibytes(bytes),
  ]);
  return [
    `${rows} rows, ${columns} columns, ${threads} thread${threads === 1 ? '' : 's'}, ${rounds} rounds ` +
      `(${environment.cpu}, cores ${environment.cores.join(',')}); peak memory ${mebibytes(memory.peakBytes)}`,
    '',
    ...formatTable(
      ['', 'median', 'rows/s', "of DuckDB's rate", 'rounds', 'written'],
      [
        ['DuckDB reads every value', `${duckdb.seconds.p50.toFixed(2)} s`, thousands(duckdb.rowsPerSecond), '', '', ''],
        ...lines,
      ],
    ),
  ].join('\n');
}
