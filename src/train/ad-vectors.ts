/** Vectors of ads, side by side: what scoring needs of each. */
import { PrerankError } from '../base/errors.js';

export class AdVectors {
  /** @param values vector i is values[i · width] … values[(i + 1) · width]. */
  constructor(
    readonly width: number,
    readonly values: Float32Array,
  ) {
    if (!(Number.isSafeInteger(width) && width > 0) || values.length % width !== 0) {
      throw new PrerankError('INVALID_ARGUMENT', `${values.length} numbers are no vectors of ${width}`);
    }
  }

  /** Ads. */
  get count(): number {
    return this.values.length / this.width;
  }

  /** Puts vectors in the place of those from number `at` on: of ads that changed. Calls of `score` before it see the old ones. */
  set(vectors: AdVectors, at: number): void {
    if (vectors.width !== this.width) {
      throw new PrerankError('INVALID_ARGUMENT', `vectors of ${vectors.width} among vectors of ${this.width}`);
    }
    if (!(Number.isSafeInteger(at) && at >= 0 && at + vectors.count <= this.count)) {
      throw new PrerankError('OUT_OF_RANGE', `${vectors.count} vectors do not fit at ${at} of ${this.count}`);
    }
    this.values.set(vectors.values, at * this.width);
  }
}
