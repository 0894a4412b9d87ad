/** Times scoring with the pre-ranking models in turn, one request a call, on one core. */
import type { Addon, ArrayBatch, NativeProgram } from '../runtime/native.js';
import { predictionBatch } from './array-batches.js';
import { describeEnvironment, type Environment } from './environment.js';
import { generateColumns } from './generated-data.js';
import {
  type PublishedServing,
  SERVED_MODELS,
  type ServedModel,
  servedFeatures,
  servedProgram,
} from './served-models.js';
import { median, type Summary, summarize } from './statistics.js';
import { DENSE_SETTINGS, SPARSE_SETTINGS } from './step-problem.js';

export interface ServeModelsOptions {
  /** Ads of a request. */
  readonly ads: number;
  /** Timed requests of each model, in rounds in which the models take turns. */
  readonly requests: number;
  readonly rounds: number;
  readonly seed: number;
}

/** Of a model over the first one. */
export interface ServingRatios {
  readonly qps: number;
  readonly tp99: number;
  readonly cpu: number | null;
}

export interface ModelServing {
  readonly model: string;
  /** Seconds of a call, from arrays in JavaScript to scores in JavaScript. */
  readonly latency: Summary;
  /** Requests a second when one call follows the other. */
  readonly qps: number;
  /** Milliseconds: of a call, and of processor time a request. */
  readonly tp99: number;
  readonly cpu: number;
  /** Medians over rounds; null of the first model. */
  readonly ratios: ServingRatios | null;
  readonly paper: PublishedServing;
  readonly paperRatios: ServingRatios | null;
}

export interface ServeModelsResult {
  readonly bench: 'serve-models';
  readonly ads: number;
  readonly seed: number;
  readonly environment: Environment;
  readonly models: readonly ModelServing[];
}

const REQUESTS = 16;
const WARM_UP_CALLS = 20;

/** What a round measured. */
interface Round {
  readonly seconds: readonly number[];
  readonly cpuSeconds: number;
}

class Server {
  readonly rounds: Round[] = [];
  readonly #program: NativeProgram;
  readonly #batches: readonly ArrayBatch[];
  #call = 0;

  constructor(
    readonly served: ServedModel,
    addon: Addon,
    features: ReturnType<typeof servedFeatures>,
    columns: ReturnType<typeof generateColumns>,
    { ads, seed }: ServeModelsOptions,
  ) {
    const program = servedProgram(served, features);
    const store = new addon.ParameterStore({
      parameters: program.parameters,
      sparse: { kind: 'adagrad', ...SPARSE_SETTINGS },
      dense: { kind: 'adam', ...DENSE_SETTINGS },
      training: false,
      seed,
    });
    this.#program = new addon.Program(program.plan, store, { threads: 1, capacity: ads, requestCapacity: 1, seed });
    this.#batches = Array.from({ length: REQUESTS }, (_, i) =>
      predictionBatch(program, columns, { first: i * ads, requests: 1, rowsPerRequest: ads }),
    );
  }

  async run(calls: number): Promise<Round> {
    const seconds: number[] = [];
    const before = process.cpuUsage();
    for (let i = 0; i < calls; i += 1) {
      const batch = this.#batches[this.#call % this.#batches.length];
      this.#call += 1;
      if (batch === undefined) break;
      const start = performance.now();
      await this.#program.predict(batch);
      seconds.push((performance.now() - start) / 1000);
    }
    const { user, system } = process.cpuUsage(before);
    return { seconds, cpuSeconds: (user + system) / 1e6 };
  }

  async measure(calls: number): Promise<void> {
    this.rounds.push(await this.run(calls));
  }
}

interface Figures {
  readonly qps: number;
  readonly tp99: number;
  readonly cpu: number;
}

function figuresOf({ seconds, cpuSeconds }: Round): Figures {
  const total = seconds.reduce((sum, value) => sum + value, 0);
  return {
    qps: seconds.length / total,
    tp99: 1e3 * summarize(seconds).p99,
    cpu: (1e3 * cpuSeconds) / seconds.length,
  };
}

function servingOf({ served, rounds }: Server, first: Server): ModelServing {
  const figures = rounds.map(figuresOf);
  const others = first.rounds.map(figuresOf);
  const over = (name: keyof Figures): number =>
    median(figures.map((round, i) => round[name] / (others[i]?.[name] ?? Number.NaN)));
  const { paper } = served;
  const { paper: base } = first.served;
  const isFirst = served === first.served;
  return {
    model: served.name,
    latency: summarize(rounds.flatMap(({ seconds }) => [...seconds])),
    qps: median(figures.map(({ qps }) => qps)),
    tp99: median(figures.map(({ tp99 }) => tp99)),
    cpu: median(figures.map(({ cpu }) => cpu)),
    ratios: isFirst ? null : { qps: over('qps'), tp99: over('tp99'), cpu: over('cpu') },
    paper,
    paperRatios: isFirst
      ? null
      : {
          qps: paper.qps / base.qps,
          tp99: paper.tp99 / base.tp99,
          cpu: paper.cpu === null || base.cpu === null ? null : paper.cpu / base.cpu,
        },
  };
}

export async function benchServeModels(addon: Addon, options: ServeModelsOptions): Promise<ServeModelsResult> {
  const { ads, requests, rounds, seed } = options;
  const environment = describeEnvironment(addon);
  const features = servedFeatures();
  const columns = generateColumns({ features, listLength: { min: 1, max: 1 } }, (REQUESTS + 1) * ads, seed);
  const cores = environment.cores.slice(-1);
  if (cores.length > 0) addon.bench.pin(cores);
  try {
    const servers = SERVED_MODELS.map((served) => new Server(served, addon, features, columns, options));
    for (const server of servers) await server.run(WARM_UP_CALLS);
    for (let round = 0; round < rounds; round += 1) {
      for (const server of servers) await server.measure(Math.max(1, Math.ceil(requests / rounds)));
    }
    const [first] = servers;
    const models = first === undefined ? [] : servers.map((server) => servingOf(server, first));
    return { bench: 'serve-models', ads, seed, environment, models };
  } finally {
    if (environment.cores.length > 0) addon.bench.pin(environment.cores);
  }
}
