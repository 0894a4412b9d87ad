/** Measures the CPU time that serving arms takes: the models on one thread, a few requests a call. */
import { PrerankError } from '../base/errors.js';
import type { Candidates } from '../cascade/candidates.js';
import { SampledRetrieval } from '../cascade/retrieval.js';
import { scoringBatch } from '../cascade/scoring.js';
import type { SimulatedSystem } from '../cascade/system.js';
import type { ArrayBatch, NativeProgram } from '../runtime/native.js';
import { ColumnEncoder } from '../train/column-encoder.js';
import type { Arm } from './arms.js';
import { type ServedHeads, servingProgram } from './serving-cost.js';

/** Requests of a call: enough that the call itself costs little beside them. */
const REQUESTS = 16;
const WARM_UP_CALLS = 4;
const CALLS_PER_ROUND = 4;
const ROUNDS = 9;

/**
 * CPU seconds per request of each arm in each round, [arm][round]: the sum over its models. In a round the models of all arms take turns.
 * Requests come with their features encoded; the user's side is computed once, the ad's side for every candidate. A model
 * that several arms serve is measured once.
 * @param first request whose candidates are scored, with those after it.
 */
export async function servingSeconds(
  arms: readonly Arm[],
  system: SimulatedSystem,
  first: number,
): Promise<Float64Array[]> {
  const [batch] = system.requests(first, first + REQUESTS, REQUESTS);
  if (batch === undefined) throw new PrerankError('INTERNAL', 'the stream has no request');
  const candidates = new SampledRetrieval(system).retrieve(batch);
  const timers: ModelTimer[] = [];
  const timersOf = arms.map(({ served }) =>
    served.map((heads) => {
      const known = timers.find((timer) => timer.times(heads));
      if (known !== undefined) return known;
      const timer = new ModelTimer(heads, candidates);
      timers.push(timer);
      return timer;
    }),
  );
  for (const timer of timers) await timer.run(WARM_UP_CALLS);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const timer of timers) await timer.measure();
  }
  return timersOf.map((mine) =>
    Float64Array.from({ length: ROUNDS }, (_, round) =>
      mine.reduce((sum, timer) => sum + (timer.rounds[round] ?? Number.NaN), 0),
    ),
  );
}

class ModelTimer {
  /** CPU seconds per request. */
  readonly rounds: number[] = [];
  readonly #program: NativeProgram;
  readonly #batch: ArrayBatch;
  readonly #requests: number;

  constructor(
    private readonly heads: ServedHeads,
    candidates: Candidates,
  ) {
    const { run } = heads;
    const { rows, requests, offsets } = candidates;
    const program = servingProgram(heads);
    const settings = { threads: 1, capacity: rows, requestCapacity: requests, seed: 0 };
    this.#program = new run.addon.Program(program.plan, run.store, settings);
    this.#batch = new ColumnEncoder(run).encode(program, scoringBatch(candidates), offsets);
    this.#requests = requests;
  }

  times({ run, tasks }: ServedHeads): boolean {
    return run === this.heads.run && [...tasks].sort().join() === [...this.heads.tasks].sort().join();
  }

  async run(calls: number): Promise<void> {
    for (let i = 0; i < calls; i += 1) await this.#program.predict(this.#batch);
  }

  async measure(): Promise<void> {
    const begin = process.cpuUsage();
    await this.run(CALLS_PER_ROUND);
    const { user, system } = process.cpuUsage(begin);
    this.rounds.push((user + system) / 1e6 / (CALLS_PER_ROUND * this.#requests));
  }
}
