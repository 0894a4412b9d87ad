/**
 * The simulation's random numbers: functions of (seed, request, ad, purpose), so that they depend neither on batches nor on
 * threads, and two cascades on the same requests meet the same luck.
 */
import { Philox, philoxKey } from '../base/philox.js';

/** What a number is drawn for: a word of the counter. */
export const PURPOSE = {
  user: 1,
  ad: 2,
  userFeatures: 3,
  adFeatures: 4,
  crossFeatures: 5,
  request: 6,
  retrieval: 7,
  earlyConversion: 8,
  earlyOracle: 9,
  earlyRandom: 10,
  finalOracle: 11,
  finalAdNoise: 12,
  feedback: 13,
  logged: 14,
} as const;

export type Purpose = (typeof PURPOSE)[keyof typeof PURPOSE];

const UNIT = 2 ** -32;

/** A random word as a number in (0, 1), never 0 or 1. */
export function unit(word: number): number {
  return (word + 0.5) * UNIT;
}

/** A random word as an integer in [0, below). */
export function integer(word: number, below: number): number {
  return Math.floor(word * UNIT * below);
}

const TAIL = 0.02425;

/**
 * The standard normal quantile of p in (0, 1), by Acklam's rational approximations: relative error below 1.2e-9. The body
 * (95 % of draws) needs no transcendental function.
 */
export function normalQuantile(p: number): number {
  if (p < TAIL) return tail(Math.sqrt(-2 * Math.log(p)));
  if (p > 1 - TAIL) return -tail(Math.sqrt(-2 * Math.log(1 - p)));
  const q = p - 0.5;
  const r = q * q;
  const numerator =
    ((((-39.69683028665376 * r + 220.9460984245205) * r - 275.9285104469687) * r + 138.357751867269) * r -
      30.66479806614716) *
      r +
    2.506628277459239;
  const denominator =
    ((((-54.47609879822406 * r + 161.5858368580409) * r - 155.6989798598866) * r + 66.80131188771972) * r -
      13.28068155288572) *
      r +
    1;
  return (numerator * q) / denominator;
}

function tail(q: number): number {
  const numerator =
    ((((-0.007784894002430293 * q - 0.3223964580411365) * q - 2.400758277161838) * q - 2.549732539343734) * q +
      4.374664141464968) *
      q +
    2.938163982698783;
  const denominator =
    (((0.007784695709041462 * q + 0.3224671290700398) * q + 2.445134137142996) * q + 3.754408661907416) * q + 1;
  return numerator / denominator;
}

export function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** Draws of one seed. */
export class Draws {
  readonly #philox: Philox;

  constructor(seed: number) {
    this.#philox = new Philox(philoxKey(seed));
  }

  /** Four words for what happens to an ad in a request; valid until the next call. */
  words(purpose: Purpose, request: number, ad: number, block: number): Uint32Array {
    this.#philox.draw(ad, request, purpose, block);
    return this.#philox.words;
  }

  /** Standard normals for what happens to an ad in a request, into `out`; words of block `firstBlock` and following. */
  normals(purpose: Purpose, request: number, ad: number, out: Float64Array, firstBlock = 0): void {
    const words = this.#philox.words;
    for (let i = 0; i < out.length; i += 4) {
      this.#philox.draw(ad, request, purpose, firstBlock + i / 4);
      const end = Math.min(4, out.length - i);
      for (let lane = 0; lane < end; lane += 1) {
        out[i + lane] = normalQuantile(unit(words[lane] ?? 0));
      }
    }
  }
}
