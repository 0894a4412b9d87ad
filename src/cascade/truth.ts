/** What users really do (reproduction.md §1): the logits of every outcome of showing an ad to a user. */
import type { QualityEventConfig } from './config.js';
import { allEvents } from './phases.js';
import type { World } from './world.js';

/** Columns with one value per candidate. */
export interface TrueLogits {
  readonly click: Float64Array;
  /** Conversion after a click. */
  readonly conversion: Float64Array;
  /** Conversion after an impression. */
  readonly viewThrough: Float64Array;
  /** Each quality event of `allEvents`, whether it is in force or not. */
  readonly events: readonly Float64Array[];
}

/** Inner products of users' and ads' factors, one per candidate. */
export interface Matches {
  /** ⟨U, A⟩ / √k. */
  readonly whole: Float64Array;
  /** ⟨first half⟩ / √(k/2): its negative part is the relevance cliff. */
  readonly first: Float64Array;
  /** ⟨second half⟩ / √(k/2): what conversions follow. */
  readonly second: Float64Array;
}

export class TruthModel {
  readonly events: readonly QualityEventConfig[];
  readonly #world: World;
  /** Per event, the part of its logit that depends on the ad alone. */
  readonly #eventOfAd: readonly Float32Array[];

  constructor(world: World) {
    this.#world = world;
    this.events = allEvents(world.config);
    const { bait, low } = world.ads;
    const shared = world.config.quality.sharedTraits;
    this.#eventOfAd = this.events.map((event) =>
      Float32Array.from(bait, (value, ad) => {
        const traits = event.bait * value + event.low[0] * (low[0][ad] ?? 0) + event.low[1] * (low[1][ad] ?? 0);
        return event.base + shared * traits;
      }),
    );
  }

  /** @param users, ads of each candidate. */
  logits(users: Uint32Array, ads: Uint32Array): TrueLogits {
    const { click: clicks, conversion: conversions, viewThrough: views } = this.#world.config.world;
    const { activity, sensitivity } = this.#world.users;
    const { bait, popularity, low } = this.#world.ads;
    const [sensitivity0, sensitivity1] = sensitivity;
    const [low0, low1] = low;
    const rows = ads.length;
    const { whole, first, second } = this.matches(users, ads);
    const click = new Float64Array(rows);
    const conversion = new Float64Array(rows);
    const viewThrough = new Float64Array(rows);
    const upset = new Float64Array(rows);
    for (let row = 0; row < rows; row += 1) {
      const user = users[row] ?? 0;
      const ad = ads[row] ?? 0;
      const match = whole[row] ?? 0;
      const popular = popularity[ad] ?? 0;
      const lure = bait[ad] ?? 0;
      const miss = Math.max(0, -(first[row] ?? 0));
      click[row] = clicks.base + match + (activity[user] ?? 0) + popular + clicks.bait * lure - clicks.cliff * miss;
      conversion[row] = conversions.base + conversions.match * (second[row] ?? 0) + conversions.bait * lure;
      viewThrough[row] = views.base + views.match * match + views.popularity * popular;
      upset[row] = (sensitivity0[user] ?? 0) * (low0[ad] ?? 0) + (sensitivity1[user] ?? 0) * (low1[ad] ?? 0);
    }
    const events = this.events.map((event, e) => eventLogits(event, this.#eventOfAd[e], { ads, upset, whole }));
    return { click, conversion, viewThrough, events };
  }

  /** @param users, ads of each candidate. */
  matches(users: Uint32Array, ads: Uint32Array): Matches {
    const { users: all, ads: allAds, config } = this.#world;
    const ofUsers = all.factors;
    const ofAds = allAds.factors;
    const width = config.world.factors;
    const half = width / 2;
    const rows = ads.length;
    const matches = { whole: new Float64Array(rows), first: new Float64Array(rows), second: new Float64Array(rows) };
    const { whole, first, second } = matches;
    const scale = 1 / Math.sqrt(half);
    const wholeScale = 1 / Math.sqrt(width);
    for (let row = 0; row < rows; row += 1) {
      const u = (users[row] ?? 0) * width;
      const a = (ads[row] ?? 0) * width;
      let sum1 = 0;
      let sum2 = 0;
      for (let k = 0; k < half; k += 1) {
        sum1 += (ofUsers[u + k] ?? 0) * (ofAds[a + k] ?? 0);
        sum2 += (ofUsers[u + half + k] ?? 0) * (ofAds[a + half + k] ?? 0);
      }
      whole[row] = (sum1 + sum2) * wholeScale;
      first[row] = sum1 * scale;
      second[row] = sum2 * scale;
    }
    return matches;
  }

  /** Adds ⟨U, A⟩ / √k of a user and each of `ads` to `sums`, which has their length. */
  addMatches(user: number, ads: Uint32Array, sums: Float64Array): void {
    const { users, ads: all, config } = this.#world;
    const width = config.world.factors;
    const scale = 1 / Math.sqrt(width);
    const own = Float64Array.from(users.factors.subarray(user * width, (user + 1) * width), (value) => scale * value);
    const ofAds = all.factors;
    for (let i = 0; i < ads.length; i += 1) {
      const from = (ads[i] ?? 0) * width;
      let sum = sums[i] ?? 0;
      for (let k = 0; k < own.length; k += 1) sum += (own[k] ?? 0) * (ofAds[from + k] ?? 0);
      sums[i] = sum;
    }
  }
}

interface EventTerms {
  readonly ads: Uint32Array;
  /** ⟨sensitivity, low⟩. */
  readonly upset: Float64Array;
  readonly whole: Float64Array;
}

function eventLogits(
  { sensitivity, match }: QualityEventConfig,
  ofAd: Float32Array | undefined,
  { ads, upset, whole }: EventTerms,
): Float64Array {
  const logits = new Float64Array(ads.length);
  if (ofAd === undefined) return logits;
  for (let row = 0; row < logits.length; row += 1) {
    logits[row] = (ofAd[ads[row] ?? 0] ?? 0) + sensitivity * (upset[row] ?? 0) + match * (whole[row] ?? 0);
  }
  return logits;
}
