/** A simulation cut into parts, one file of each log a part, that any worker can make in any order. */
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { PrerankError } from '../base/errors.js';
import type { Candidates } from './candidates.js';
import { Cascade, createStages } from './cascade.js';
import type { SimulationConfig } from './config.js';
import { loggedRows, type Selection } from './log-rows.js';
import { concatTables, logTable, type Table, truthTable } from './log-table.js';
import type { ParquetWriter } from './parquet-writer.js';
import type { Awaitable, MayHaveModel, Stages } from './stages.js';
import { addSums, batchSums, emptySums, type Sums } from './statistics.js';
import { LOGS, type LogName, logRequests } from './stream.js';
import type { SimulatedSystem } from './system.js';

export interface Part {
  readonly log: LogName;
  /** Number of the part in its log. */
  readonly index: number;
  /** Requests of the stream. */
  readonly from: number;
  readonly to: number;
}

export interface PartResult {
  readonly sums: Sums;
  /** Pairs of request and ad that were scored without a model. */
  readonly oraclePairs: number;
  /** Milliseconds spent simulating, the scoring of both stages among it, without and by models, and writing. */
  readonly simulating: number;
  readonly scoring: number;
  readonly models: number;
  readonly writing: number;
}

/** Keeps parts small enough to share them evenly among threads. */
const MAX_PART_REQUESTS = 4096;

/** Requests go to training first, then to evaluation, then to replay. */
export function planParts(config: SimulationConfig): Part[] {
  const { log, cascade } = config;
  const rowsPerRequest = (name: LogName): number =>
    name === 'replay' ? cascade.retrieved : cascade.shown + log.final + log.early;
  const parts: Part[] = [];
  for (const name of LOGS) {
    const { from: begin, to: end } = logRequests(config, name);
    let from = begin;
    const fitting = Math.floor(log.rowsPerFile / rowsPerRequest(name));
    const size = Math.min(MAX_PART_REQUESTS, Math.max(1, fitting));
    for (let index = 0; from < end; index += 1) {
      const to = Math.min(end, from + size);
      parts.push({ log: name, index, from, to });
      from = to;
    }
  }
  return parts;
}

function fileName({ index }: Part): string {
  return `part-${String(index).padStart(5, '0')}.parquet`;
}

/** Folder of the true probabilities of a log's rows; the training log has none. */
export function truthFolder(log: LogName): string {
  return join('truth', log);
}

/** What scoring has taken; milliseconds. */
interface Scoring {
  readonly pairs: number;
  readonly oracles: number;
  readonly models: number;
}

const NOTHING: Scoring = { pairs: 0, oracles: 0, models: 0 };

type Scorer<Scores> = MayHaveModel & { score(candidates: Candidates): Awaitable<Scores> };

/** The same stage; `add` hears what every call takes. A model without an oracle beside it leaves that none of the pairs. */
function timed<Scores>(stage: Scorer<Scores>, hasOracle: boolean, add: (scoring: Scoring) => void): Scorer<Scores> {
  return {
    score: async (candidates) => {
      const before = stage.modelMilliseconds ?? 0;
      const begin = performance.now();
      const scores = await stage.score(candidates);
      const elapsed = performance.now() - begin;
      const models = (stage.modelMilliseconds ?? 0) - before;
      add(
        hasOracle
          ? { pairs: candidates.rows, oracles: elapsed - models, models }
          : { pairs: 0, oracles: 0, models: elapsed },
      );
      return scores;
    },
  };
}

export class PartMaker {
  readonly #cascade: Cascade;
  #scoring = NOTHING;

  constructor(
    readonly system: SimulatedSystem,
    private readonly writer: ParquetWriter,
    private readonly folder: string,
    stages: Partial<Stages> = {},
    private readonly batchRequests?: number,
  ) {
    const all = createStages(system, stages);
    const add = ({ pairs, oracles, models }: Scoring): void => {
      const { pairs: before, oracles: ofOracles, models: ofModels } = this.#scoring;
      this.#scoring = { pairs: before + pairs, oracles: ofOracles + oracles, models: ofModels + models };
    };
    this.#cascade = new Cascade(system, {
      ...all,
      early: timed(all.early, all.early.modelMilliseconds === undefined, add),
      final: timed(all.final, true, add),
    });
  }

  /**
   * Simulates a part's requests and writes its files.
   * @throws PrerankError CANCELLED soon after `signal` is aborted.
   */
  async make(part: Part, signal?: AbortSignal): Promise<PartResult> {
    const begin = performance.now();
    this.#scoring = NOTHING;
    const { logs, truths, sums } = await this.#simulate(part, signal);
    const simulated = performance.now();
    await this.writer.write(join(this.folder, part.log, fileName(part)), concatTables(logs));
    if (truths.length > 0) {
      await this.writer.write(join(this.folder, truthFolder(part.log), fileName(part)), concatTables(truths));
    }
    return {
      sums,
      oraclePairs: this.#scoring.pairs,
      simulating: simulated - begin,
      scoring: this.#scoring.oracles,
      models: this.#scoring.models,
      writing: performance.now() - simulated,
    };
  }

  async #simulate(
    { log, from, to }: Part,
    signal: AbortSignal | undefined,
  ): Promise<{ logs: Table[]; truths: Table[]; sums: Sums }> {
    const complete = log === 'replay';
    const selection: Selection = complete ? 'complete' : this.system.config.log;
    const logs: Table[] = [];
    const truths: Table[] = [];
    let sums = emptySums(this.system.truth.events.length);
    for (const batch of this.system.requests(from, to, this.batchRequests)) {
      // Signals and messages arrive between turns of the event loop.
      await turn();
      if (signal?.aborted) throw new PrerankError('CANCELLED', 'the simulation was interrupted');
      const served = await this.#cascade.serve(batch);
      const logged = await loggedRows(this.#cascade, served, selection);
      logs.push(logTable(logged));
      if (log !== 'train') truths.push(truthTable(logged));
      sums = addSums(sums, batchSums(served, logged, complete));
    }
    return { logs, truths, sums };
  }
}
