/** Ingestion against DuckDB's own reading of the same columns, alternating on the same cores. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ResolvedConfig } from '../config/types.js';
import { readDescription } from '../data/dataset-file.js';
import { ingest } from '../data/ingest.js';
import type { Addon } from '../runtime/native.js';
import { describeEnvironment, type Environment } from './environment.js';
import { openLogScan } from './log-scan.js';
import { type RoundRatio, roundRatio, type Summary, summarize } from './statistics.js';

export interface IngestVariant {
  readonly name: string;
  readonly config: ResolvedConfig;
}

export interface IngestBenchOptions {
  readonly threads: number;
  readonly rounds: number;
}

/** The ratio is DuckDB's time over this one's: 1 is DuckDB's own rate. */
export interface IngestTiming extends RoundRatio {
  readonly name: string;
  readonly seconds: Summary;
  readonly rowsPerSecond: number;
  /** Of the dataset folder. */
  readonly bytes: number;
}

export interface IngestBenchResult {
  readonly bench: 'ingest';
  readonly rows: number;
  readonly columns: number;
  readonly threads: number;
  readonly rounds: number;
  /** Reading every value, nothing written. */
  readonly duckdb: { readonly seconds: Summary; readonly rowsPerSecond: number };
  /** Reading, encoding and writing. */
  readonly variants: readonly IngestTiming[];
  readonly memory: { readonly peakBytes: number };
  readonly environment: Environment;
}

/**
 * @param variants configurations of one log. Their encoded folders are written below the system's temporary folder and
 *   removed.
 */
export async function benchIngest(
  addon: Addon,
  variants: readonly IngestVariant[],
  options: IngestBenchOptions,
): Promise<IngestBenchResult> {
  const { threads, rounds } = options;
  const [first] = variants;
  if (first === undefined) throw new RangeError('nothing to ingest');
  const environment = describeEnvironment(addon);
  const scan = await openLogScan(first.config, threads);
  const scans: number[] = [];
  const times = variants.map((): number[] => []);
  const bytes = variants.map(() => 0);
  try {
    for (let round = 0; round < rounds; round += 1) {
      scans.push(await scan.run());
      for (const [i, { config }] of variants.entries()) {
        const done = await ingestOnce(config, threads);
        times[i]?.push(done.seconds);
        bytes[i] = done.bytes;
      }
    }
  } finally {
    scan.close();
  }
  const summary = summarize(scans);
  return {
    bench: 'ingest',
    rows: scan.rows,
    columns: scan.columns.length,
    threads,
    rounds,
    duckdb: { seconds: summary, rowsPerSecond: scan.rows / summary.p50 },
    variants: variants.map(({ name }, i) => {
      const seconds = summarize(times[i] ?? []);
      return {
        name,
        seconds,
        rowsPerSecond: scan.rows / seconds.p50,
        ...roundRatio(scans, times[i] ?? []),
        bytes: bytes[i] ?? 0,
      };
    }),
    memory: { peakBytes: process.resourceUsage().maxRSS * 1024 },
    environment,
  };
}

async function ingestOnce(config: ResolvedConfig, threads: number): Promise<{ seconds: number; bytes: number }> {
  const out = await mkdtemp(join(tmpdir(), 'prerank-bench-'));
  try {
    const start = performance.now();
    const { train } = await ingest(config, { out, split: 'train', threads });
    const seconds = (performance.now() - start) / 1000;
    const files = train === null ? [] : readDescription(train.dir).files;
    return { seconds, bytes: files.reduce((sum, file) => sum + file.bytes, 0) };
  } finally {
    await rm(out, { recursive: true });
  }
}
