/** The random bits of dropout and of gates, bit for bit those of the native core. */
import { Philox, philoxKey } from '../../base/philox.js';

export interface NoiseKey {
  readonly seed: number;
  readonly step: number;
  /** Id of the forward operation. */
  readonly operation: number;
}

export interface MaskKey extends NoiseKey {
  readonly rate: number;
}

/** The factors of a dropout, [rows, width]: 0 with probability `rate`, else 1 / (1 − rate). */
export function dropoutFactors(key: MaskKey, rows: number, width: number): Float32Array {
  const factors = new Float32Array(rows * width);
  const threshold = Math.min(Math.floor(key.rate * 2 ** 32), 2 ** 32 - 1);
  const keep = 1 / (1 - key.rate);
  const philox = new Philox(philoxKey(key.seed));
  for (let row = 0; row < rows; row += 1) {
    for (let block = 0; block * 4 < width; block += 1) {
      philox.draw(block, row, key.operation, key.step);
      for (let lane = 0; lane < 4 && block * 4 + lane < width; lane += 1) {
        if ((philox.words[lane] ?? 0) >= threshold) factors[row * width + block * 4 + lane] = keep;
      }
    }
  }
  return factors;
}

/** logit u of every gate of a step, with u uniform, clipped to [1e-5, 1 − 1e-5]. */
export function gateNoise(key: NoiseKey, gates: number): Float64Array {
  const philox = new Philox(philoxKey(key.seed));
  return Float64Array.from({ length: gates }, (_, gate) => {
    if (gate % 4 === 0) philox.draw(gate / 4, 0, key.operation, key.step);
    const uniform = ((philox.words[gate % 4] ?? 0) + 0.5) / 2 ** 32;
    const u = Math.min(Math.max(uniform, 1e-5), 1 - 1e-5);
    return Math.log(u / (1 - u));
  });
}
