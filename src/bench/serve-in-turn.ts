/** Times scoring with several models in turn, one request a call, on one core. */
import type { Addon, ArrayBatch, NativeProgram } from '../runtime/native.js';
import { predictionBatch } from './array-batches.js';
import type { Environment } from './environment.js';
import { generateColumns } from './generated-data.js';
import type { ScoredModel } from './scored-model.js';
import { median, type RoundRatio, roundRatio, type Summary, summarize } from './statistics.js';

export interface ServeTurnsOptions {
  /** Ads of a request. */
  readonly ads: number;
  /** Timed requests of each model, in rounds in which the models take turns. */
  readonly requests: number;
  readonly rounds: number;
  readonly seed: number;
}

/** A model whose whole scores are timed. */
export type TurnModel = Omit<ScoredModel, 'sides'>;

interface Figures {
  readonly qps: number;
  readonly tp99: number;
  readonly cpu: number;
}

export interface TurnServing {
  readonly model: string;
  /** Seconds of a call, from arrays in JavaScript to scores in JavaScript. */
  readonly latency: Summary;
  /** Requests a second when one call follows the other. */
  readonly qps: number;
  /** Milliseconds: of a call, and of processor time a request. */
  readonly tp99: number;
  readonly cpu: number;
  /** Over the first model's, medians over rounds; null of the first model. */
  readonly ratios: Figures | null;
  /** The first model's processor time over this one's; null of the first model. */
  readonly speedUp: RoundRatio | null;
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
    readonly model: TurnModel,
    addon: Addon,
    { ads, seed }: ServeTurnsOptions,
  ) {
    const { program, store } = model;
    const columns = generateColumns(model, (REQUESTS + 1) * ads, seed);
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

  /** By round. */
  figures(): Readonly<Record<keyof Figures, number[]>> {
    return {
      qps: this.rounds.map(({ seconds }) => seconds.length / seconds.reduce((sum, value) => sum + value, 0)),
      tp99: this.rounds.map(({ seconds }) => 1e3 * summarize(seconds).p99),
      cpu: this.rounds.map(({ seconds, cpuSeconds }) => (1e3 * cpuSeconds) / seconds.length),
    };
  }
}

function servingOf(server: Server, first: Server): TurnServing {
  const [own, base] = [server.figures(), first.figures()];
  const over = (name: keyof Figures): number => roundRatio(own[name], base[name]).ratio;
  const isFirst = server === first;
  return {
    model: server.model.name,
    latency: summarize(server.rounds.flatMap(({ seconds }) => [...seconds])),
    qps: median(own.qps),
    tp99: median(own.tp99),
    cpu: median(own.cpu),
    ratios: isFirst ? null : { qps: over('qps'), tp99: over('tp99'), cpu: over('cpu') },
    speedUp: isFirst ? null : roundRatio(base.cpu, own.cpu),
  };
}

/** @param environment whose last core serves; the process is on all of them again afterwards. */
export async function serveInTurn(
  addon: Addon,
  models: readonly TurnModel[],
  environment: Environment,
  options: ServeTurnsOptions,
): Promise<TurnServing[]> {
  const { requests, rounds } = options;
  const cores = environment.cores.slice(-1);
  if (cores.length > 0) addon.bench.pin(cores);
  try {
    const servers = models.map((model) => new Server(model, addon, options));
    for (const server of servers) await server.run(WARM_UP_CALLS);
    for (let round = 0; round < rounds; round += 1) {
      for (const server of servers) await server.measure(Math.max(1, Math.ceil(requests / rounds)));
    }
    const [first] = servers;
    return first === undefined ? [] : servers.map((server) => servingOf(server, first));
  } finally {
    if (environment.cores.length > 0) addon.bench.pin(environment.cores);
  }
}
