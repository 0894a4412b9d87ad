/** Writes the logs of a simulated cascade: the folder that `prerank simulate` leaves. */
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { PrerankError } from '../base/errors.js';
import { writeJsonDurable, writeTextDurable } from '../base/files.js';
import { type SimulationConfig, simulationYaml } from './config.js';
import { ParquetWriter } from './parquet-writer.js';
import { PartPool } from './part-pool.js';
import { type Part, PartMaker, type PartResult, planParts, truthFolder } from './parts.js';
import { allEvents } from './phases.js';
import type { Stages } from './stages.js';
import { addSums, emptySums, type LogFigures, logFigures, type Sums } from './statistics.js';
import { LOGS, type LogName } from './stream.js';
import { SimulatedSystem } from './system.js';
import { finalTrainingConfig, trainingConfig } from './training-config.js';

export interface SimulateProgress {
  readonly requests: number;
  readonly totalRequests: number;
  readonly rows: number;
}

export interface SimulateOptions {
  /** Folder to write; must not exist or be empty. */
  readonly out: string;
  /** Worker threads; default: every core. The files do not depend on it. */
  readonly threads?: number;
  /** Stages that take the place of the built-in ones; the simulation then runs in this thread. */
  readonly stages?: (system: SimulatedSystem) => Partial<Stages>;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: SimulateProgress) => void;
}

export interface SimulateSummary {
  readonly logs: Readonly<Record<LogName, LogFigures>>;
  /** (request, ad) pairs scored by the early and the final stage. */
  readonly scored: number;
  readonly seconds: {
    readonly total: number;
    /** Sums over the threads. The scoring of both stages is a part of simulating: that of oracles, and that of models. */
    readonly simulating: number;
    readonly scoring: number;
    readonly models: number;
    readonly writing: number;
  };
  /** Pairs that oracles score per second and thread. */
  readonly scoredPerSecond: number;
}

/**
 * Simulates the whole stream and writes its logs (docs/simulate.md lists the files). Same configuration, same bytes, for any number
 * of threads.
 *
 * @throws PrerankError RUN_EXISTS when the folder has content; CANCELLED when `signal` is aborted, leaving nothing behind.
 */
export async function simulate(config: SimulationConfig, options: SimulateOptions): Promise<SimulateSummary> {
  const { out } = options;
  await requireEmpty(out);
  const temporary = `${out}.tmp-${process.pid}`;
  await rm(temporary, { recursive: true, force: true });
  try {
    for (const log of LOGS) await mkdir(join(temporary, log), { recursive: true });
    for (const log of ['eval', 'replay'] as const) await mkdir(join(temporary, truthFolder(log)), { recursive: true });
    const begin = performance.now();
    const parts = planParts(config);
    const results = await makeParts(config, parts, temporary, options);
    const summary = summarise(config, parts, results, performance.now() - begin);
    await writeTextDurable(join(temporary, 'simulation.yaml'), simulationYaml(config));
    await writeTextDurable(join(temporary, 'config.yaml'), trainingConfig(config));
    await writeTextDurable(join(temporary, 'final.yaml'), finalTrainingConfig(config));
    await writeJsonDurable(join(temporary, 'simulation.json'), { logs: summary.logs, scored: summary.scored });
    await rm(out, { recursive: true, force: true });
    await mkdir(dirname(out), { recursive: true });
    await rename(temporary, out);
    return summary;
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

async function requireEmpty(out: string): Promise<void> {
  const names = await readdir(out).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new PrerankError('IO_ERROR', `cannot write to ${out}: ${error.message}`, { file: out }, { cause: error });
  });
  if (names.length > 0) {
    throw new PrerankError('RUN_EXISTS', `${out} has content; name a new folder`, { file: out });
  }
}

async function makeParts(
  config: SimulationConfig,
  parts: readonly Part[],
  folder: string,
  options: SimulateOptions,
): Promise<PartResult[]> {
  const { signal, onProgress, stages } = options;
  const progress = { requests: 0, rows: 0, totalRequests: LOGS.reduce((sum, log) => sum + config.requests[log], 0) };
  const done = (part: Part, { sums }: PartResult): void => {
    progress.requests += part.to - part.from;
    progress.rows += sums.rows;
    onProgress?.({ ...progress });
  };
  const threads = Math.min(options.threads ?? availableParallelism(), parts.length);
  if (stages !== undefined || threads === 1) return makeHere(config, parts, folder, { signal, done, stages });
  const pool = new PartPool({ config, folder }, threads);
  try {
    return await pool.run(parts, done, signal);
  } finally {
    await pool.close();
  }
}

interface HereOptions extends Pick<SimulateOptions, 'stages' | 'signal'> {
  readonly done: (part: Part, result: PartResult) => void;
}

/** Makes the parts in this thread: the user's stages cannot be sent to another. */
async function makeHere(
  config: SimulationConfig,
  parts: readonly Part[],
  folder: string,
  { signal, done, stages }: HereOptions,
): Promise<PartResult[]> {
  const system = new SimulatedSystem(config);
  const writer = await ParquetWriter.open();
  try {
    const maker = new PartMaker(system, writer, folder, stages?.(system));
    const results: PartResult[] = [];
    for (const part of parts) {
      const result = await maker.make(part, signal);
      done(part, result);
      results.push(result);
    }
    return results;
  } finally {
    writer.close();
  }
}

function summarise(
  config: SimulationConfig,
  parts: readonly Part[],
  results: readonly PartResult[],
  milliseconds: number,
): SimulateSummary {
  const events = allEvents(config).map((event) => event.name);
  const sumsOf = (log: LogName): Sums =>
    results.reduce(
      (sums, result, i) => (parts[i]?.log === log ? addSums(sums, result.sums) : sums),
      emptySums(events.length),
    );
  const sums = { train: sumsOf('train'), eval: sumsOf('eval'), replay: sumsOf('replay') };
  const scored = LOGS.reduce((total, log) => total + sums[log].scored, 0);
  const oraclePairs = results.reduce((total, result) => total + result.oraclePairs, 0);
  const seconds = (of: 'simulating' | 'scoring' | 'models' | 'writing'): number =>
    results.reduce((total, result) => total + result[of], 0) / 1000;
  return {
    logs: {
      train: logFigures(sums.train, events),
      eval: logFigures(sums.eval, events),
      replay: logFigures(sums.replay, events),
    },
    scored,
    seconds: {
      total: milliseconds / 1000,
      simulating: seconds('simulating'),
      scoring: seconds('scoring'),
      models: seconds('models'),
      writing: seconds('writing'),
    },
    scoredPerSecond: oraclePairs / seconds('scoring'),
  };
}
