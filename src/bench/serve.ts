/**
 * Times scoring: the ads of a request with the user's side computed once, as a pre-ranking server does; and with the ads' vectors
 * kept from before, where the model has such vectors.
 */
import type { Addon, NativeProgram, PredictionBatch } from '../runtime/native.js';
import type { Plan } from '../runtime/plan.js';
import { predictionBatch } from './array-batches.js';
import { describeEnvironment, type Environment } from './environment.js';
import { generateColumns } from './generated-data.js';
import { keepVectors, keptBatch } from './kept-vectors.js';
import type { ScoredModel } from './scored-model.js';
import { type Summary, summarize } from './statistics.js';

export interface ServeOptions {
  /** Ads of a request. */
  readonly ads: number;
  /** Threads to measure with, each pinned to so many cores. */
  readonly threads: readonly number[];
  /** Requests scored by one call. */
  readonly requestsPerCall: readonly number[];
  /** Timed requests of each combination. */
  readonly requests: number;
  readonly seed: number;
}

/** Whether a call computes the vectors of its ads, or finds them computed. */
export type VectorSource = 'computed' | 'kept';

export interface ServeTiming {
  readonly vectors: VectorSource;
  readonly threads: number;
  readonly requestsPerCall: number;
  readonly cores: readonly number[];
  /** Requests a second when one call follows the other. */
  readonly qps: number;
  readonly adsPerSecond: number;
  /** Seconds of a call, from arrays in JavaScript to scores in JavaScript. */
  readonly latency: Summary;
  /** The same, in milliseconds. */
  readonly tp50: number;
  readonly tp99: number;
}

export interface ServeResult {
  readonly bench: 'serve';
  readonly config: string;
  readonly ads: number;
  readonly seed: number;
  readonly environment: Environment;
  /** What computing the kept vectors takes on one core; null where the model has none. */
  readonly adVectors: { readonly width: number; readonly adsPerSecond: number } | null;
  readonly results: readonly ServeTiming[];
}

/** Different requests that calls take in turn. */
const REQUESTS = 16;
const WARM_UP_CALLS = 20;

/** A way to score: a program, and its batches. */
interface Served {
  readonly vectors: VectorSource;
  readonly plan: Plan;
  readonly batch: (first: number, requests: number) => PredictionBatch;
}

export async function benchServe(addon: Addon, model: ScoredModel, options: ServeOptions): Promise<ServeResult> {
  const { ads, seed } = options;
  const environment = describeEnvironment(addon);
  const { program, sides, store } = model;
  const rows = (REQUESTS + Math.max(...options.requestsPerCall)) * ads;
  const columns = generateColumns(model, rows, seed);
  const shape = (first: number, requests: number) => ({ first, requests, rowsPerRequest: ads });
  const ways: Served[] = [
    {
      vectors: 'computed',
      plan: program.plan,
      batch: (first, requests) => predictionBatch(program, columns, shape(first, requests)),
    },
  ];
  let adVectors: ServeResult['adVectors'] = null;
  const results: ServeTiming[] = [];
  try {
    if (sides !== null) {
      pin(addon, environment.cores.slice(-1));
      const kept = await keepVectors(addon, sides, store, columns, { ads: rows, seed });
      adVectors = { width: sides.width, adsPerSecond: kept.adsPerSecond };
      ways.push({
        vectors: 'kept',
        plan: sides.scoring.plan,
        batch: (first, requests) => keptBatch(sides, kept, columns, shape(first, requests)),
      });
    }
    for (const threads of options.threads) {
      const cores = environment.cores.slice(-threads);
      pin(addon, cores);
      for (const requestsPerCall of options.requestsPerCall) {
        for (const { vectors, plan, batch } of ways) {
          const settings = { threads, capacity: requestsPerCall * ads, requestCapacity: requestsPerCall, seed };
          const native = new addon.Program(plan, store, settings);
          const batches = Array.from({ length: REQUESTS }, (_, i) => batch(i * ads, requestsPerCall));
          const calls = Math.max(Math.round(options.requests / requestsPerCall), 1);
          const seconds = await timeCalls(native, batches, calls);
          results.push({ vectors, threads, requestsPerCall, cores, ...timing(seconds, requestsPerCall, ads) });
        }
      }
    }
  } finally {
    pin(addon, environment.cores);
  }
  return { bench: 'serve', config: model.name, ads, seed, environment, adVectors, results };
}

function pin(addon: Addon, cores: readonly number[]): void {
  if (cores.length > 0) addon.bench.pin(cores);
}

function timing(
  seconds: readonly number[],
  requestsPerCall: number,
  ads: number,
): Pick<ServeTiming, 'qps' | 'adsPerSecond' | 'latency' | 'tp50' | 'tp99'> {
  const total = seconds.reduce((sum, value) => sum + value, 0);
  const latency = summarize(seconds);
  const qps = (requestsPerCall * seconds.length) / total;
  return { qps, adsPerSecond: qps * ads, latency, tp50: latency.p50 * 1e3, tp99: latency.p99 * 1e3 };
}

async function timeCalls(
  program: NativeProgram,
  batches: readonly PredictionBatch[],
  calls: number,
): Promise<number[]> {
  const seconds: number[] = [];
  for (let call = -WARM_UP_CALLS; call < calls; call += 1) {
    const batch = batches[(call + WARM_UP_CALLS) % batches.length];
    if (batch === undefined) break;
    const start = performance.now();
    await program.predict(batch);
    if (call >= 0) seconds.push((performance.now() - start) / 1000);
  }
  return seconds;
}
