/** Philox4x32-10 (Salmon et al., SC 2011), bit for bit the generator of the native core. */

type Words = readonly [number, number, number, number];

/** High and low word of a 32 × 32 bit product. */
function multiply(a: number, b: number): readonly [number, number] {
  const product = BigInt(a >>> 0) * BigInt(b >>> 0);
  return [Number(product >> 32n), Number(product & 0xffffffffn)];
}

export function philox4x32(counter: Words, key: readonly [number, number]): Words {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round += 1) {
    const [high0, low0] = multiply(0xd2511f53, c0);
    const [high1, low1] = multiply(0xcd9e8d57, c2);
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}

export interface MaskKey {
  readonly seed: number;
  readonly step: number;
  /** Id of the forward dropout operation. */
  readonly operation: number;
  readonly rate: number;
}

/** The factors of a dropout, [rows, width]: 0 with probability `rate`, else 1 / (1 − rate). */
export function dropoutFactors(key: MaskKey, rows: number, width: number): Float32Array {
  const factors = new Float32Array(rows * width);
  const threshold = Math.min(Math.floor(key.rate * 2 ** 32), 2 ** 32 - 1);
  const keep = 1 / (1 - key.rate);
  const seed = BigInt.asUintN(64, BigInt(key.seed));
  const words: readonly [number, number] = [Number(seed & 0xffffffffn), Number(seed >> 32n)];
  for (let row = 0; row < rows; row += 1) {
    for (let block = 0; block * 4 < width; block += 1) {
      const bits = philox4x32([block, row, key.operation >>> 0, key.step >>> 0], words);
      for (let lane = 0; lane < 4 && block * 4 + lane < width; lane += 1) {
        if ((bits[lane] ?? 0) >= threshold) factors[row * width + block * 4 + lane] = keep;
      }
    }
  }
  return factors;
}
