/** Times scoring: the ads of a request with the user's side computed once, as a pre-ranking server does. */
import type { Addon, ArrayBatch, NativeProgram } from '../runtime/native.js';
import { predictionBatch } from './array-batches.js';
import { describeEnvironment, type Environment } from './environment.js';
import { generateColumns } from './generated-data.js';
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

export interface ServeTiming {
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
  readonly results: readonly ServeTiming[];
}

/** Different requests that calls take in turn. */
const REQUESTS = 16;
const WARM_UP_CALLS = 20;

export async function benchServe(addon: Addon, model: ScoredModel, options: ServeOptions): Promise<ServeResult> {
  const { ads, seed } = options;
  const environment = describeEnvironment(addon);
  const { program, store } = model;
  const most = Math.max(...options.requestsPerCall);
  const columns = generateColumns(model, (REQUESTS + most) * ads, seed);
  const results: ServeTiming[] = [];
  for (const threads of options.threads) {
    const cores = environment.cores.slice(-threads);
    if (cores.length > 0) addon.bench.pin(cores);
    for (const requestsPerCall of options.requestsPerCall) {
      const settings = { threads, capacity: requestsPerCall * ads, requestCapacity: requestsPerCall, seed };
      const native = new addon.Program(program.plan, store, settings);
      const batches = Array.from({ length: REQUESTS }, (_, i) =>
        predictionBatch(program, columns, { first: i * ads, requests: requestsPerCall, rowsPerRequest: ads }),
      );
      const seconds = await timeCalls(native, batches, Math.max(Math.round(options.requests / requestsPerCall), 1));
      const total = seconds.reduce((sum, value) => sum + value, 0);
      const latency = summarize(seconds);
      const qps = (requestsPerCall * seconds.length) / total;
      const timing = { threads, requestsPerCall, cores, qps, adsPerSecond: qps * ads, latency };
      results.push({ ...timing, tp50: latency.p50 * 1e3, tp99: latency.p99 * 1e3 });
    }
  }
  if (environment.cores.length > 0) addon.bench.pin(environment.cores);
  return { bench: 'serve', config: model.name, ads, seed, environment, results };
}

async function timeCalls(program: NativeProgram, batches: readonly ArrayBatch[], calls: number): Promise<number[]> {
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
