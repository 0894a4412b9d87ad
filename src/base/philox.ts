/**
 * Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), bit for bit the generator of the
 * native core: four random words that depend on a counter and a key alone.
 */

const MULTIPLIER_0 = 0xd2511f53 | 0;
const MULTIPLIER_1 = 0xcd9e8d57 | 0;

/** The high word of the product of two unsigned 32-bit words. No sum leaves 32 bits: (2¹⁶ − 1)² + 2 (2¹⁶ − 1) = 2³² − 1. */
function highWord(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = (Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16)) | 0;
  const carried = (Math.imul(aLow, bHigh) + (middle & 0xffff)) | 0;
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (carried >>> 16)) | 0;
}

/** The key of a seed: its low and high words. `seed`: a safe integer, not negative. */
export function philoxKey(seed: number): readonly [number, number] {
  return [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0];
}

export class Philox {
  /** The words of the last `draw`. */
  readonly words = new Uint32Array(4);
  readonly #key0: number;
  readonly #key1: number;

  constructor(key: readonly [number, number]) {
    this.#key0 = key[0];
    this.#key1 = key[1];
  }

  /** Sets `words` to those of a counter of four 32-bit words. */
  draw(counter0: number, counter1: number, counter2: number, counter3: number): void {
    let c0 = counter0 | 0;
    let c1 = counter1 | 0;
    let c2 = counter2 | 0;
    let c3 = counter3 | 0;
    let k0 = this.#key0 | 0;
    let k1 = this.#key1 | 0;
    for (let round = 0; round < 10; round += 1) {
      const high0 = highWord(MULTIPLIER_0, c0);
      const low0 = Math.imul(MULTIPLIER_0, c0);
      const high1 = highWord(MULTIPLIER_1, c2);
      const low1 = Math.imul(MULTIPLIER_1, c2);
      c0 = high1 ^ c1 ^ k0;
      c1 = low1;
      c2 = high0 ^ c3 ^ k1;
      c3 = low0;
      k0 = (k0 + 0x9e3779b9) | 0;
      k1 = (k1 + 0xbb67ae85) | 0;
    }
    const { words } = this;
    words[0] = c0;
    words[1] = c1;
    words[2] = c2;
    words[3] = c3;
  }
}
