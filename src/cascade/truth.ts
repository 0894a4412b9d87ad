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

/** Inner products of a user's and an ad's factors. */
export interface Match {
  /** ⟨U, A⟩ / √k. */
  readonly whole: number;
  /** ⟨first half⟩ / √(k/2): its negative part is the relevance cliff. */
  readonly first: number;
  /** ⟨second half⟩ / √(k/2): what conversions follow. */
  readonly second: number;
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
    const shared = world.config.quality.correlation;
    this.#eventOfAd = this.events.map((event) =>
      Float32Array.from(bait, (value, ad) => {
        const traits = event.bait * value + event.low[0] * (low[0][ad] ?? 0) + event.low[1] * (low[1][ad] ?? 0);
        return event.base + shared * traits;
      }),
    );
  }

  /** @param users, ads of each candidate. */
  logits(users: Uint32Array, ads: Uint32Array): TrueLogits {
    const { world: settings } = this.#world.config;
    const { click: clicks, conversion: conversions, viewThrough: views } = settings;
    const { users: u, ads: a } = this.#world;
    const rows = ads.length;
    const columns = {
      click: new Float64Array(rows),
      conversion: new Float64Array(rows),
      viewThrough: new Float64Array(rows),
      events: this.events.map(() => new Float64Array(rows)),
    };
    const matches = new Float64Array(rows);
    const upsets = new Float64Array(rows);
    for (let row = 0; row < rows; row += 1) {
      const user = users[row] ?? 0;
      const ad = ads[row] ?? 0;
      const { whole, first, second } = this.match(user, ad);
      const bait = a.bait[ad] ?? 0;
      const popularity = a.popularity[ad] ?? 0;
      columns.click[row] =
        clicks.base +
        whole +
        (u.activity[user] ?? 0) +
        popularity +
        clicks.bait * bait -
        clicks.cliff * Math.max(0, -first);
      columns.conversion[row] = conversions.base + conversions.match * second + conversions.bait * bait;
      columns.viewThrough[row] = views.base + views.match * whole + views.popularity * popularity;
      matches[row] = whole;
      upsets[row] =
        (u.sensitivity[0][user] ?? 0) * (a.low[0][ad] ?? 0) + (u.sensitivity[1][user] ?? 0) * (a.low[1][ad] ?? 0);
    }
    for (const [e, event] of this.events.entries()) {
      const ofAd = this.#eventOfAd[e] ?? new Float32Array(0);
      const column = columns.events[e] ?? matches;
      for (let row = 0; row < rows; row += 1) {
        column[row] =
          (ofAd[ads[row] ?? 0] ?? 0) + event.sensitivity * (upsets[row] ?? 0) + event.match * (matches[row] ?? 0);
      }
    }
    return columns;
  }

  match(user: number, ad: number): Match {
    const { users, ads, config } = this.#world;
    const width = config.world.factors;
    const half = width / 2;
    let first = 0;
    let second = 0;
    for (let i = 0; i < half; i += 1) {
      first += (users.factors[user * width + i] ?? 0) * (ads.factors[ad * width + i] ?? 0);
      second += (users.factors[user * width + half + i] ?? 0) * (ads.factors[ad * width + half + i] ?? 0);
    }
    const scale = 1 / Math.sqrt(half);
    return { whole: (first + second) / Math.sqrt(width), first: first * scale, second: second * scale };
  }
}
