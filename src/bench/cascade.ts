/** Times the simulated cascade's oracles: pairs of request and ad that the final and the early stage score in a second. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { SimulationConfig } from '../cascade/config.js';
import type { Addon } from '../runtime/native.js';
import {
  type CascadeAnswer,
  type CascadeOrder,
  type CascadeWorkerData,
  SCORED_STAGES,
  type ScoredStage,
} from './cascade-worker.js';
import { describeEnvironment, type Environment } from './environment.js';
import { median, type Summary, summarize } from './statistics.js';

export interface CascadeBenchOptions {
  /** Worker threads; each scores the candidates of requests of its own. */
  readonly threads: number;
  /** Timed rounds; one more before them is not timed. */
  readonly rounds: number;
  /** Requests of each thread in a round. */
  readonly requests: number;
}

export interface StageTiming {
  readonly stage: ScoredStage;
  /** Pairs scored in a round, by all threads. */
  readonly pairs: number;
  /** Over the median round. */
  readonly pairsPerSecond: number;
  /** Over the processor time of the whole process in a round, its median: what a core of its own would do. */
  readonly pairsPerCpuSecond: number;
  /** Seconds of a round, until the last thread is done. */
  readonly round: Summary;
}

export interface CascadeBenchResult {
  readonly bench: 'cascade';
  readonly threads: number;
  readonly retrieved: number;
  readonly environment: Environment;
  readonly results: readonly StageTiming[];
}

/**
 * Both oracles on candidates that retrieval found; the true logits of each pair, which the oracles' errors are added to, are part of
 * the scoring.
 */
export async function benchCascade(
  addon: Addon,
  config: SimulationConfig,
  options: CascadeBenchOptions,
): Promise<CascadeBenchResult> {
  const { threads, requests } = options;
  const environment = describeEnvironment(addon);
  const workers = Array.from({ length: threads }, (_, i) => {
    const workerData: CascadeWorkerData = { config, from: i * requests, to: (i + 1) * requests };
    return new Worker(new URL('./cascade-worker.js', import.meta.url), { workerData });
  });
  try {
    const results: StageTiming[] = [];
    for (const stage of SCORED_STAGES) results.push(await timeStage(workers, stage, options));
    return { bench: 'cascade', threads, retrieved: config.cascade.retrieved, environment, results };
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

async function timeStage(
  workers: readonly Worker[],
  stage: ScoredStage,
  { rounds }: CascadeBenchOptions,
): Promise<StageTiming> {
  const seconds: number[] = [];
  const cpuSeconds: number[] = [];
  let pairs = 0;
  for (let round = -1; round < rounds; round += 1) {
    await askAll(workers, { prepare: stage });
    const cpu = process.cpuUsage();
    const start = performance.now();
    pairs = await askAll(workers, { score: stage });
    const elapsed = (performance.now() - start) / 1e3;
    const { user, system } = process.cpuUsage(cpu);
    if (round < 0) continue;
    seconds.push(elapsed);
    cpuSeconds.push((user + system) / 1e6);
  }
  const round = summarize(seconds);
  return {
    stage,
    pairs,
    pairsPerSecond: pairs / round.p50,
    pairsPerCpuSecond: pairs / median(cpuSeconds),
    round,
  };
}

/** Sends an order to all threads and waits for all of them; the sum of their pairs. */
async function askAll(workers: readonly Worker[], order: CascadeOrder): Promise<number> {
  const answers = await Promise.all(
    workers.map(async (worker) => {
      worker.postMessage(order);
      const [answer] = (await once(worker, 'message')) as [CascadeAnswer];
      return answer.pairs;
    }),
  );
  return answers.reduce((sum, pairs) => sum + pairs, 0);
}
