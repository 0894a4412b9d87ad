/** Users and ads with their hidden traits (reproduction.md §1), drawn from the seed entity by entity. */
import { OBJECTIVES } from '../data/plan-columns.js';
import type { SimulationConfig } from './config.js';
import { Draws, PURPOSE, unit } from './random.js';

/** Trait columns are indexed by user, factors row by row: [users, factors]. */
export interface Users {
  readonly count: number;
  readonly factors: Float32Array;
  readonly activity: Float32Array;
  /** How much the two low-quality traits of an ad annoy the user. */
  readonly sensitivity: readonly [Float32Array, Float32Array];
}

export interface Ads {
  readonly count: number;
  readonly factors: Float32Array;
  readonly popularity: Float32Array;
  /** Clickbait: more clicks, fewer conversions, worse quality. */
  readonly bait: Float32Array;
  readonly low: readonly [Float32Array, Float32Array];
  /** Index into OBJECTIVES. */
  readonly objective: Uint8Array;
  readonly bid: Float32Array;
}

export interface World {
  readonly config: SimulationConfig;
  readonly draws: Draws;
  readonly users: Users;
  readonly ads: Ads;
}

export function createWorld(config: SimulationConfig): World {
  const draws = new Draws(config.seed);
  return { config, draws, users: createUsers(config, draws), ads: createAds(config, draws) };
}

function createUsers({ world }: SimulationConfig, draws: Draws): Users {
  const { users: count, factors: width } = world;
  const factors = new Float32Array(count * width);
  const activity = new Float32Array(count);
  const sensitivity = [new Float32Array(count), new Float32Array(count)] as const;
  const normals = new Float64Array(width + 3);
  for (let user = 0; user < count; user += 1) {
    draws.normals(PURPOSE.user, 0, user, normals);
    factors.set(normals.subarray(0, width), user * width);
    activity[user] = world.activity * (normals[width] ?? 0);
    sensitivity[0][user] = normals[width + 1] ?? 0;
    sensitivity[1][user] = normals[width + 2] ?? 0;
  }
  return { count, factors, activity, sensitivity };
}

function createAds({ world }: SimulationConfig, draws: Draws): Ads {
  const { ads: count, factors: width, bid: bids } = world;
  const ads = {
    count,
    factors: new Float32Array(count * width),
    popularity: new Float32Array(count),
    bait: new Float32Array(count),
    low: [new Float32Array(count), new Float32Array(count)] as const,
    objective: new Uint8Array(count),
    bid: new Float32Array(count),
  };
  const shares = OBJECTIVES.map((objective) => world.objectives[objective]);
  const normals = new Float64Array(width + 5);
  for (let ad = 0; ad < count; ad += 1) {
    draws.normals(PURPOSE.ad, 0, ad, normals);
    ads.factors.set(normals.subarray(0, width), ad * width);
    const bait = normals[width + 1] ?? 0;
    ads.popularity[ad] = world.popularity * (normals[width] ?? 0);
    ads.bait[ad] = bait;
    ads.low[0][ad] = normals[width + 2] ?? 0;
    ads.low[1][ad] = normals[width + 3] ?? 0;
    const objective = pick(shares, unit(draws.words(PURPOSE.ad, 1, ad, 0)[0] ?? 0));
    ads.objective[ad] = objective;
    const level = bids.level[OBJECTIVES[objective] ?? 'click'];
    ads.bid[ad] = level * Math.exp(bids.spread * (normals[width + 4] ?? 0) + bids.bait * bait);
  }
  return ads;
}

/** The index whose share of the total `u` in (0, 1) falls on. */
function pick(shares: readonly number[], u: number): number {
  const total = shares.reduce((sum, value) => sum + value, 0);
  let below = 0;
  for (const [index, value] of shares.entries()) {
    below += value;
    if (u * total < below) return index;
  }
  return shares.length - 1;
}

/**
 * Ads that take part in request number `request`: those with an index below the result. Late ads are launched one after
 * the other, evenly spread over the training requests.
 */
export function launchedAds(config: SimulationConfig, request: number): number {
  const { ads, lateAds } = config.world;
  const { first, train } = config.requests;
  const late = Math.floor(ads * lateAds);
  return ads - late + Math.min(late, Math.floor(((request - first) / train) * late));
}
