/** Retrieval: which of the launched ads a request starts with. */
import { Candidates, type RequestBatch } from './candidates.js';
import { integer, normalQuantile, PURPOSE, unit } from './random.js';
import { topRows } from './select.js';
import type { Retrieval } from './stages.js';
import type { SimulatedSystem } from './system.js';
import { launchedAds } from './world.js';

/**
 * Draws `drawn` · N launched ads without replacement and keeps the N of the highest relevance ⟨U, A⟩/√k + N(0, noise); or
 * draws N at random.
 */
export class SampledRetrieval implements Retrieval {
  readonly #system: SimulatedSystem;
  /** A permutation of the ads; each request puts it back in order. */
  readonly #permutation: Uint32Array;

  constructor(system: SimulatedSystem) {
    this.#system = system;
    this.#permutation = Uint32Array.from({ length: system.world.ads.count }, (_, ad) => ad);
  }

  retrieve(batch: RequestBatch): Candidates {
    const { cascade, retrieval } = this.#system.config;
    const relevant = retrieval.kind === 'relevance';
    const wanted = cascade.retrieved * (relevant ? retrieval.drawn : 1);
    const requests = batch.users.length;
    const offsets = new Uint32Array(requests + 1);
    const ads = new Uint32Array(requests * cascade.retrieved);
    const drawn = new Uint32Array(wanted);
    const relevance = new Float64Array(wanted);
    let filled = 0;
    for (let i = 0; i < requests; i += 1) {
      const request = batch.first + i;
      const launched = launchedAds(this.#system.config, request);
      const mine = drawn.subarray(0, Math.min(wanted, launched));
      const scores = relevance.subarray(0, mine.length);
      this.#draw(request, launched, mine, scores);
      if (relevant) {
        for (let place = 0; place < scores.length; place += 1) scores[place] = retrieval.noise * (scores[place] ?? 0);
        this.#system.truth.addMatches(batch.users[i] ?? 0, mine, scores);
      }
      const { rows } = topRows(scores, Uint32Array.of(0, scores.length), cascade.retrieved);
      for (let k = 0; k < rows.length; k += 1) ads[filled + k] = mine[rows[k] ?? 0] ?? 0;
      ads.subarray(filled, filled + rows.length).sort();
      filled += rows.length;
      offsets[i + 1] = filled;
    }
    return new Candidates(this.#system, batch, offsets, ads.subarray(0, filled));
  }

  /**
   * `drawn.length` different ads with an index below `launched`, by a partial Fisher–Yates shuffle, and a standard normal for
   * each.
   */
  #draw(request: number, launched: number, drawn: Uint32Array, normals: Float64Array): void {
    const { draws } = this.#system.world;
    const permutation = this.#permutation;
    const swapped = new Uint32Array(drawn.length);
    for (let place = 0; place < drawn.length; place += 2) {
      const words = draws.words(PURPOSE.retrieval, request, place, 0);
      const pair = Math.min(2, drawn.length - place);
      for (let k = 0; k < pair; k += 1) {
        const at = place + k;
        const other = at + integer(words[k] ?? 0, launched - at);
        const ad = permutation[other] ?? 0;
        permutation[other] = permutation[at] ?? 0;
        permutation[at] = ad;
        swapped[at] = other;
        drawn[at] = ad;
        normals[at] = normalQuantile(unit(words[2 + k] ?? 0));
      }
    }
    for (let at = drawn.length - 1; at >= 0; at -= 1) {
      const other = swapped[at] ?? 0;
      const ad = permutation[other] ?? 0;
      permutation[other] = permutation[at] ?? 0;
      permutation[at] = ad;
    }
  }
}
