/** How fast DuckDB reads a log by itself: the rate that ingestion is measured against. */
import { PrerankError } from '../base/errors.js';
import type { ResolvedConfig } from '../config/types.js';
import { identifier } from '../data/duckdb.js';
import { Log } from '../data/log.js';

/** Raw columns that encoding a log needs, those that the log has. */
function neededColumns(config: ResolvedConfig, log: Log): string[] {
  const { columns, features } = config.data;
  const { cqs, ...roles } = columns;
  const named = [
    ...Object.values(roles).filter((value) => typeof value === 'string'),
    ...(typeof cqs === 'string' ? [cqs] : (cqs?.events ?? []).map(({ column }) => column)),
    ...Object.values(features).flatMap((side) =>
      side.flatMap((feature) => [
        feature.column,
        ...('weights' in feature && feature.weights ? [feature.weights] : []),
      ]),
    ),
    ...Object.values(config.tasks).flatMap(({ label }) => (label === undefined ? [] : [label])),
  ];
  return [...new Set(named)].filter((name) => log.has(name));
}

export interface LogScan {
  readonly rows: number;
  readonly columns: readonly string[];
  /** Reads every value once, and returns the seconds. */
  readonly run: () => Promise<number>;
  readonly close: () => void;
}

/**
 * A query that reads every value of the columns that encoding needs, elements of lists too: bit_xor(hash(column)) of
 * each. Sums of the numbers are no faster, and minima or counts would be answered from the file's statistics.
 */
export async function openLogScan(config: ResolvedConfig, threads: number): Promise<LogScan> {
  const source = config.data.train;
  if (source === undefined) {
    throw new PrerankError('CONFIG_INVALID', 'data.train names no log to ingest', { path: 'data.train' });
  }
  const log = await Log.open(source);
  await log.database.run(`SET threads = ${threads}`);
  const columns = neededColumns(config, log);
  const hashes = columns.map((name) => `bit_xor(hash(${identifier(name)}))`);
  const query = `SELECT count(*), ${hashes.join(', ')} FROM ${log.relation}`;
  const [first] = await log.database.rows(query);
  return {
    rows: Number(first?.[0]),
    columns,
    run: async () => {
      const start = performance.now();
      await log.database.rows(query);
      return (performance.now() - start) / 1000;
    },
    close: () => log.close(),
  };
}
