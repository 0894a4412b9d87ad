/** Replay metrics over given scores against a plain read of the same columns, alternating on one core. */
import { performance } from 'node:perf_hooks';
import type { Addon } from '../runtime/native.js';
import { describeEnvironment, type Environment } from './environment.js';
import { Random } from './random.js';
import { type RoundRatio, roundRatio, type Summary, summarize } from './statistics.js';

export interface ReplayBenchOptions {
  /** Candidates of all requests. */
  readonly rows: number;
  /** Candidates of a request. */
  readonly candidates: number;
  /** Picks of both stages: a measurement for each. */
  readonly picks: readonly number[];
  readonly rounds: number;
  readonly seed: number;
}

/** The ratio is the plain read's time over this one's: 1 is the speed of memory. */
export interface ReplayTiming extends RoundRatio {
  /** Picks of both stages. */
  readonly k: number;
  readonly seconds: Summary;
  readonly bytesPerSecond: number;
}

export interface ReplayBenchResult {
  readonly bench: 'replay';
  readonly rows: number;
  readonly candidates: number;
  readonly requests: number;
  readonly rounds: number;
  readonly seed: number;
  /** Of the columns: request, final score, early score. */
  readonly bytes: number;
  readonly read: { readonly seconds: Summary; readonly bytesPerSecond: number };
  readonly replays: readonly ReplayTiming[];
  readonly environment: Environment;
}

interface Columns {
  readonly request: Uint32Array;
  readonly final: Float32Array;
  readonly early: Float32Array;
}

/** Requests one after the other; the early score is the final one with as much noise. */
function columnsOf({ rows, candidates, seed }: ReplayBenchOptions): Columns {
  const random = new Random(seed);
  const request = Uint32Array.from({ length: rows }, (_, i) => Math.floor(i / candidates));
  const final = new Float32Array(rows);
  const early = new Float32Array(rows);
  for (let i = 0; i < rows; i += 1) {
    final[i] = random.unit();
    early[i] = (final[i] ?? 0) + random.unit();
  }
  return { request, final, early };
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Uint32Array | Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** @param options `rows` of at least one request. One thread works: pin the process to its core. */
export async function benchReplay(addon: Addon, options: ReplayBenchOptions): Promise<ReplayBenchResult> {
  const { rows, candidates, picks, rounds, seed } = options;
  const environment = describeEnvironment(addon);
  const columns = columnsOf(options);
  const { request, final, early } = columns;
  const dataset = new addon.Dataset(
    [
      { name: 'request', type: 'uint32', chunks: [{ values: request, rows }] },
      { name: 'final', type: 'float32', chunks: [{ values: final, rows }] },
      { name: 'early', type: 'float32', chunks: [{ values: early, rows }] },
    ],
    [columns],
  );
  const buffers = [request, final, early].map(bytesOf);
  const bytes = buffers.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const replay = async (k: number): Promise<number> => {
    const start = performance.now();
    const spec = { request: 'request', final: 'final', early: 'early', k, earlyK: k, gains: false, threads: 1 };
    await addon.metrics.replay(dataset, spec);
    return (performance.now() - start) / 1000;
  };
  const reads: number[] = [];
  const times = picks.map((): number[] => []);
  for (let round = -1; round < rounds; round += 1) {
    const read = await addon.bench.read(buffers);
    if (round >= 0) reads.push(read);
    for (const [i, k] of picks.entries()) {
      const seconds = await replay(k);
      if (round >= 0) times[i]?.push(seconds);
    }
  }
  const read = summarize(reads);
  return {
    bench: 'replay',
    rows,
    candidates,
    requests: Math.ceil(rows / candidates),
    rounds,
    seed,
    bytes,
    read: { seconds: read, bytesPerSecond: bytes / read.p50 },
    replays: picks.map((k, i) => {
      const seconds = summarize(times[i] ?? []);
      return {
        k,
        seconds,
        bytesPerSecond: bytes / seconds.p50,
        ...roundRatio(reads, times[i] ?? []),
      };
    }),
    environment,
  };
}
