/** Seeded random numbers for generated data: the same on every machine. */

/** sfc32 (Chris Doty-Humphrey's Small Fast Counter), seeded by one 32-bit number. */
export class Random {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;

  constructor(seed: number) {
    this.a = seed | 0;
    this.b = 0x9e3779b9 | 0;
    this.c = 0x243f6a88;
    for (let i = 0; i < 15; i += 1) this.word();
  }

  /** 32 random bits, as an unsigned number. */
  word(): number {
    const t = (this.a + this.b + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = ((this.c << 21) | (this.c >>> 11)) + t;
    this.c |= 0;
    return t >>> 0;
  }

  /** Uniform in [0, 1). */
  unit(): number {
    return this.word() / 4294967296;
  }

  /** Uniform in 0 … count − 1. */
  below(count: number): number {
    return Math.floor(this.unit() * count);
  }
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** A seeded bijection of 0 … count − 1: r → (factor · r + shift) mod count, exact below 2²⁶ elements. */
export function permutation(count: number, random: Random): (rank: number) => number {
  if (count === 1) return () => 0;
  let factor = 1 + random.below(count - 1);
  while (greatestCommonDivisor(factor, count) !== 1) factor = factor + 1 < count ? factor + 1 : 1;
  const shift = random.below(count);
  return (rank) => (factor * rank + shift) % count;
}

/** Ranks 0 … count − 1 with probability ∝ (rank + 1)^−exponent, drawn by Walker's alias method; exponent 0 is uniform. */
export class Zipf {
  private readonly threshold: Float64Array;
  private readonly alias: Uint32Array;

  constructor(
    readonly count: number,
    readonly exponent: number,
  ) {
    const weight = Float64Array.from({ length: count }, (_, rank) => (rank + 1) ** -exponent);
    const scale = count / weight.reduce((sum, value) => sum + value, 0);
    this.threshold = weight.map((value) => value * scale);
    this.alias = Uint32Array.from({ length: count }, (_, rank) => rank);
    const small: number[] = [];
    const large: number[] = [];
    for (const [rank, value] of this.threshold.entries()) (value < 1 ? small : large).push(rank);
    for (let low = small.pop(), high = large.pop(); low !== undefined && high !== undefined; low = small.pop()) {
      this.alias[low] = high;
      const rest = (this.threshold[high] ?? 0) + (this.threshold[low] ?? 0) - 1;
      this.threshold[high] = rest;
      if (rest < 1) {
        small.push(high);
        high = large.pop();
      }
    }
  }

  draw(random: Random): number {
    const rank = random.below(this.count);
    return random.unit() < (this.threshold[rank] ?? 1) ? rank : (this.alias[rank] ?? rank);
  }
}
