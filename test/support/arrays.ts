/** Small datasets over typed arrays, for tests of what reads datasets; and random numbers that are the same everywhere. */
import type { Addon, ColumnSpec, NativeDataset } from '../../src/runtime/native.js';

type Column = Float32Array | Uint32Array | Uint8Array;

/** A dataset over arrays of equal length, in chunks of at most `chunkRows`. */
export function arrayDataset(
  addon: Pick<Addon, 'Dataset'>,
  columns: Readonly<Record<string, Column>>,
  chunkRows = Number.POSITIVE_INFINITY,
): NativeDataset {
  const specs = Object.entries(columns).map(([name, values]): ColumnSpec => {
    const type = values instanceof Float32Array ? 'float32' : values instanceof Uint32Array ? 'uint32' : 'uint8';
    const chunks = [];
    for (let from = 0; from < values.length; from += chunkRows) {
      const part = values.subarray(from, Math.min(values.length, from + chunkRows));
      chunks.push({ values: part, rows: part.length });
    }
    return { name, type, chunks };
  });
  return new addon.Dataset(specs, []);
}

/** mulberry32: numbers in [0, 1). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
