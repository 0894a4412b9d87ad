/**
 * Arms of an experiment: early stages made of trained runs, or of the simulated truth. An arm drives a cascade (`early`), scores a
 * replay log (`score`), and says what serving it costs (`cost`).
 */
import { totalValues } from '../auction/total-value.js';
import { PrerankError } from '../base/errors.js';
import type { Candidates } from '../cascade/candidates.js';
import { earlyValue, OracleEarly, type OracleSettings, RandomEarly } from '../cascade/early.js';
import { SampledRetrieval } from '../cascade/retrieval.js';
import type { EarlyScores, EarlyStage } from '../cascade/stages.js';
import { logRequests } from '../cascade/stream.js';
import type { SimulatedSystem } from '../cascade/system.js';
import type { EncodedSet } from '../train/encoded-set.js';
import { readPredictions } from '../train/predictor.js';
import { loggedInputs } from '../train/total-value.js';
import type { ReplayLog } from './replay-log.js';
import { type PooledRun, RunPool, type TaskColumns } from './run-pool.js';
import { type ServedHeads, type ServingCost, servingCost } from './serving-cost.js';

/** A model of one quality event: task `task` of `run` predicts its probability. */
export interface EventModel {
  readonly run: string;
  readonly task: string;
  /** Multiplier of the event in the CQS. */
  readonly scalar: number;
}

/** Where the early stage's CQS comes from: task `cqs` of a run, or Σ scalar · predicted event probability. */
export type QualitySpec = { readonly run: string } | { readonly events: readonly EventModel[] };

/** Run folders by what they serve. */
export interface TrainedArmSpec {
  readonly name: string;
  /** `head`: whose prediction is the pCTR; default `ctr`. */
  readonly ctr: { readonly run: string; readonly head?: 'ctr' | 'teacher' };
  /** null: the total value has no quality. */
  readonly quality: QualitySpec | null;
}

/** The simulated truth with errors: without any, an upper bound. */
export interface OracleArmSpec {
  readonly name: string;
  readonly oracle: OracleSettings;
}

/** Passes on ads by chance. */
export interface RandomArmSpec {
  readonly name: string;
  readonly random: true;
}

export type ArmSpec = TrainedArmSpec | OracleArmSpec | RandomArmSpec;

/** Scores of every row of a replay log, [rows] each. */
export interface LogScores {
  /** The encoded log; for `replayScores`. Null for an arm without runs. */
  readonly set: EncodedSet | null;
  /** The early total value, or what the arm ranks by. */
  readonly value: Float32Array;
  readonly ctr?: Float32Array;
  /** In raw units. */
  readonly cqs?: Float32Array;
}

export interface Arm {
  readonly name: string;
  readonly spec: ArmSpec;
  /** The arm as the early stage of a cascade. */
  readonly early: EarlyStage;
  /** What is served of which runs; empty for an arm without runs. */
  readonly served: readonly ServedHeads[];
  /** Scores a log of complete requests. Predictions of a run are kept as long as the log: another arm takes them. */
  score(log: ReplayLog): Promise<LogScores>;
  /** Of a request with so many candidates. */
  cost(candidates: number): ServingCost;
}

export interface OpenArmsOptions {
  /** Shares runs with arms opened before. */
  readonly pool?: RunPool;
  /** The simulated system that the arms work in; needed for oracle arms, and to score a log with an oracle or random arm. */
  readonly system?: SimulatedSystem;
}

/**
 * Opens arms; a run that several of them name is opened once.
 * @throws PrerankError RUN_NOT_FOUND; INVALID_ARGUMENT for a task that a run does not predict.
 */
export async function openArms(specs: readonly ArmSpec[], options: OpenArmsOptions = {}): Promise<Arm[]> {
  const { pool = new RunPool(), system } = options;
  const arms: Arm[] = [];
  for (const spec of specs) {
    if ('ctr' in spec) arms.push(await TrainedArm.open(spec, pool));
    else arms.push(new UntrainedArm(spec, system));
  }
  return arms;
}

/** A run as an arm: its tasks `ctr` and, if it has one, `cqs`. */
export async function runArm(name: string, run: string, pool: RunPool): Promise<TrainedArmSpec> {
  const { tasks } = await pool.open(run);
  return { name, ctr: { run }, quality: tasks.includes('cqs') ? { run } : null };
}

/** Task `task` of a run, times `scalar`. */
interface Term {
  readonly pooled: PooledRun;
  readonly task: string;
  readonly scalar: number;
}

class TrainedArm implements Arm {
  readonly early: EarlyStage = { score: (candidates) => this.#scoreCandidates(candidates) };

  private constructor(
    readonly spec: TrainedArmSpec,
    private readonly ctr: Term,
    private readonly quality: readonly Term[] | null,
  ) {}

  static async open(spec: TrainedArmSpec, pool: RunPool): Promise<TrainedArm> {
    const term = async (run: string, task: string, scalar = 1): Promise<Term> => {
      const pooled = await pool.open(run);
      if (pooled.tasks.includes(task)) return { pooled, task, scalar };
      throw new PrerankError(
        'INVALID_ARGUMENT',
        `arm ${spec.name}: run ${run} predicts ${pooled.tasks.join(', ')}, not ${task}`,
      );
    };
    const ctr = await term(spec.ctr.run, spec.ctr.head ?? 'ctr');
    const { quality } = spec;
    if (quality === null) return new TrainedArm(spec, ctr, null);
    if ('run' in quality) return new TrainedArm(spec, ctr, [await term(quality.run, 'cqs')]);
    const terms: Term[] = [];
    for (const { run, task, scalar } of quality.events) terms.push(await term(run, task, scalar));
    return new TrainedArm(spec, ctr, terms);
  }

  get name(): string {
    return this.spec.name;
  }

  get served(): readonly ServedHeads[] {
    const tasks = new Map<PooledRun, Set<string>>();
    for (const { pooled, task } of [this.ctr, ...(this.quality ?? [])]) {
      tasks.set(pooled, (tasks.get(pooled) ?? new Set()).add(task));
    }
    return [...tasks].map(([{ run }, names]) => ({ run, tasks: [...names] }));
  }

  async #scoreCandidates(candidates: Candidates): Promise<EarlyScores> {
    const ctr = Float32Array.from(column(await this.ctr.pooled.score(candidates), this.ctr.task));
    const quality = await this.#consolidated((pooled) => pooled.score(candidates));
    const cqs = quality === null ? undefined : Float32Array.from(quality);
    return { value: earlyValue(candidates, ctr, cqs ?? null), ctr, cqs };
  }

  async score(log: ReplayLog): Promise<LogScores> {
    const columns = async (pooled: PooledRun): Promise<TaskColumns> =>
      new Map([...(await pooled.predict(log))].map(([task, prediction]) => [task, readPredictions(prediction)]));
    const { run } = this.ctr.pooled;
    const set = await log.set(run);
    const ctr = column(await columns(this.ctr.pooled), this.ctr.task);
    const cqs = await this.#consolidated(columns);
    return {
      set,
      value: new Float32Array(totalValues(run.config.auction, { ...loggedInputs(set), ctr, cqs })),
      ctr: new Float32Array(ctr),
      cqs: cqs === null ? undefined : new Float32Array(cqs),
    };
  }

  /** Σ scalar · prediction. */
  async #consolidated(predict: (pooled: PooledRun) => Promise<TaskColumns>): Promise<Float64Array | null> {
    if (this.quality === null) return null;
    let sum: Float64Array | undefined;
    for (const { pooled, task, scalar } of this.quality) {
      const values = column(await predict(pooled), task);
      sum = sum === undefined ? values.map((value) => scalar * value) : add(sum, values, scalar);
    }
    return sum ?? null;
  }

  cost(candidates: number): ServingCost {
    return servingCost(this.served, candidates);
  }
}

/** sum + scalar · values, in `sum`. */
function add(sum: Float64Array, values: Float64Array, scalar: number): Float64Array {
  for (let row = 0; row < sum.length; row += 1) sum[row] = (sum[row] ?? 0) + scalar * (values[row] ?? 0);
  return sum;
}

function column(columns: TaskColumns, task: string): Float64Array {
  const values = columns.get(task);
  if (values === undefined) throw new PrerankError('INTERNAL', `the run gave no predictions of ${task}`);
  return values;
}

class UntrainedArm implements Arm {
  readonly early: EarlyStage;
  readonly served: readonly ServedHeads[] = [];

  constructor(
    readonly spec: OracleArmSpec | RandomArmSpec,
    private readonly system: SimulatedSystem | undefined,
  ) {
    if ('random' in spec) this.early = new RandomEarly();
    else this.early = new OracleEarly(this.#requireSystem(), spec.oracle);
  }

  get name(): string {
    return this.spec.name;
  }

  #requireSystem(): SimulatedSystem {
    if (this.system !== undefined) return this.system;
    throw new PrerankError(
      'INVALID_ARGUMENT',
      `arm ${this.spec.name} needs the simulated system that it is the truth of`,
    );
  }

  /** @param log the replay log that the system wrote. */
  async score(): Promise<LogScores> {
    const system = this.#requireSystem();
    const { from, to } = logRequests(system.config, 'replay');
    const retrieval = new SampledRetrieval(system);
    const scores: EarlyScores[] = [];
    for (const batch of system.requests(from, to)) {
      scores.push(await this.early.score(retrieval.retrieve(batch)));
    }
    const joined = (of: 'value' | 'ctr' | 'cqs'): Float32Array => concat(scores.map((batch) => batch[of] ?? NONE));
    return 'random' in this.spec
      ? { set: null, value: joined('value') }
      : { set: null, value: joined('value'), ctr: joined('ctr'), cqs: joined('cqs') };
  }

  cost(candidates: number): ServingCost {
    return servingCost([], candidates);
  }
}

const NONE = new Float32Array(0);

function concat(pieces: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(pieces.reduce((rows, piece) => rows + piece.length, 0));
  let from = 0;
  for (const piece of pieces) {
    whole.set(piece, from);
    from += piece.length;
  }
  return whole;
}
