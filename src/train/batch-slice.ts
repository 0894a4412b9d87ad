/** Rows of a batch whose inputs have a value a row. */
import type { ArrayBatch } from '../runtime/native.js';

/** Rows `from` … `to`: views, except of the lists' offsets. */
export function sliceBatch({ rows, dense = [], ids = [] }: ArrayBatch, from: number, to: number): ArrayBatch {
  return {
    rows: to - from,
    dense: dense.map((values) => {
      const width = values.length / rows;
      return values.subarray(from * width, to * width);
    }),
    ids: ids.map(({ ids: values, offsets, weights }) => {
      if (offsets === undefined) return { ids: values.subarray(from, to) };
      const [begin, end] = [offsets[from] ?? 0, offsets[to] ?? 0];
      return {
        ids: values.subarray(begin, end),
        offsets: offsets.subarray(from, to + 1).map((offset) => offset - begin),
        ...(weights === undefined ? {} : { weights: weights.subarray(begin, end) }),
      };
    }),
  };
}
