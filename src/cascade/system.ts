/** The simulated system that the stages work in: world, truth, features and phases, all from one configuration. */
import type { RequestBatch } from './candidates.js';
import type { SimulationConfig } from './config.js';
import { createFeatures, type FeatureColumn } from './features.js';
import { createPhases, type Phase, phaseOf } from './phases.js';
import { integer, PURPOSE } from './random.js';
import { TruthModel } from './truth.js';
import { createWorld, type World } from './world.js';

/** Columns of this many candidates stay in a core's second-level cache. */
const BATCH_ROWS = 16_384;

export class SimulatedSystem {
  readonly world: World;
  readonly truth: TruthModel;
  readonly features: readonly FeatureColumn[];
  readonly phases: readonly Phase[];

  constructor(readonly config: SimulationConfig) {
    this.world = createWorld(config);
    this.truth = new TruthModel(this.world);
    this.features = createFeatures(this.world, this.truth);
    this.phases = createPhases(config);
  }

  /** Requests number `from` … `to`, in batches of at most `size` (default: about 16,384 rows) that lie in one phase each. */
  *requests(from: number, to: number, size = this.#batchRequests()): Generator<RequestBatch> {
    const starts = this.phases.map((phase) => phase.first);
    for (let first = from; first < to; ) {
      const change = starts.find((start) => start > first) ?? Number.POSITIVE_INFINITY;
      const end = Math.min(to, first + size, change);
      yield this.#batch(first, end);
      first = end;
    }
  }

  #batchRequests(): number {
    return Math.max(1, Math.floor(BATCH_ROWS / this.config.cascade.retrieved));
  }

  #batch(first: number, end: number): RequestBatch {
    const { world, requests } = this.config;
    const start = Date.parse(requests.start);
    const users = new Uint32Array(end - first);
    const times = new Float64Array(end - first);
    for (let i = 0; i < users.length; i += 1) {
      const words = this.world.draws.words(PURPOSE.request, first + i, 0, 0);
      users[i] = integer(words[0] ?? 0, world.users);
      times[i] = start + Math.floor(((first + i) * 1000) / requests.perSecond);
    }
    return { first, users, times, phase: phaseOf(this.phases, first) };
  }
}
