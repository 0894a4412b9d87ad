/** A copy of an encoded column with its rows in another order. */
import type { ColumnChunkSpec, ColumnSpec } from '../runtime/native.js';

type Values = ColumnChunkSpec['values'];

/** Row i of the result is row `order[i]` of the column; lists move whole. The chunks have as many rows as before. */
export function permutedColumn({ name, type, chunks }: ColumnSpec, order: Uint32Array): ColumnSpec {
  const ends: number[] = [];
  for (const { rows } of chunks) ends.push((ends.at(-1) ?? 0) + rows);
  const locate = chunkLocator(chunks, ends);
  const permuted = chunks.map(({ rows, values, offsets }, c): ColumnChunkSpec => {
    const sources = order.subarray((ends[c] ?? 0) - rows, ends[c]);
    if (offsets === undefined) return { rows, values: gatherScalars(sources, values, locate) };
    return { rows, ...gatherLists(sources, values, locate) };
  });
  return { name, type, chunks: permuted };
}

interface Located {
  readonly chunk: ColumnChunkSpec;
  readonly row: number;
}

type Locate = (row: number) => Located;

function chunkLocator(chunks: readonly ColumnChunkSpec[], ends: readonly number[]): Locate {
  return (row) => {
    let low = 0;
    for (let high = chunks.length - 1; low < high; ) {
      const middle = (low + high) >> 1;
      if (row < (ends[middle] ?? 0)) high = middle;
      else low = middle + 1;
    }
    const chunk = chunks[low];
    if (chunk === undefined) throw new RangeError(`row ${row} of a column with ${ends.at(-1) ?? 0}`);
    return { chunk, row: row - ((ends[low] ?? 0) - chunk.rows) };
  };
}

/** An array of `length` elements of the kind of `like`. */
function allocate(like: Values, length: number): Values {
  if (like instanceof Float32Array) return new Float32Array(length);
  return like instanceof Uint32Array ? new Uint32Array(length) : new Uint8Array(length);
}

function gatherScalars(sources: Uint32Array, like: Values, locate: Locate): Values {
  const values = allocate(like, sources.length);
  for (const [i, source] of sources.entries()) {
    const { chunk, row } = locate(source);
    values[i] = chunk.values[row] ?? 0;
  }
  return values;
}

function gatherLists(sources: Uint32Array, like: Values, locate: Locate): Pick<ColumnChunkSpec, 'values' | 'offsets'> {
  const offsets = new Int32Array(sources.length + 1);
  for (const [i, source] of sources.entries()) {
    const { chunk, row } = locate(source);
    offsets[i + 1] = (offsets[i] ?? 0) + (chunk.offsets?.[row + 1] ?? 0) - (chunk.offsets?.[row] ?? 0);
  }
  const values = allocate(like, offsets.at(-1) ?? 0);
  for (const [i, source] of sources.entries()) {
    const { chunk, row } = locate(source);
    values.set(chunk.values.subarray(chunk.offsets?.[row], chunk.offsets?.[row + 1]), offsets[i]);
  }
  return { values, offsets };
}
