/** The best rows of each request: value descending, ties by row ascending (metrics.md). */

/** The k-th largest (k from 1) of values[0 … count); reorders them. */
function kthLargest(values: Float64Array, count: number, k: number): number {
  let low = 0;
  let high = count - 1;
  const wanted = k - 1;
  while (low < high) {
    const pivot = medianOfThree(values, low, high);
    let left = low;
    let right = high;
    while (left <= right) {
      while ((values[left] ?? 0) > pivot) left += 1;
      while ((values[right] ?? 0) < pivot) right -= 1;
      if (left <= right) {
        const moved = values[left] ?? 0;
        values[left] = values[right] ?? 0;
        values[right] = moved;
        left += 1;
        right -= 1;
      }
    }
    if (wanted <= right) high = right;
    else if (wanted >= left) low = left;
    else break;
  }
  return values[wanted] ?? Number.NaN;
}

function medianOfThree(values: Float64Array, low: number, high: number): number {
  const a = values[low] ?? 0;
  const b = values[(low + high) >>> 1] ?? 0;
  const c = values[high] ?? 0;
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}

export interface Picked {
  /** Ascending. */
  readonly rows: Uint32Array;
  /** Rows of request i: rows[offsets[i]] … rows[offsets[i + 1]]. */
  readonly offsets: Uint32Array;
}

/**
 * The best `k` rows of every request, all of one that has fewer. NaN is below every number.
 *
 * @param offsets rows of request i: offsets[i] … offsets[i + 1].
 */
export function topRows(values: ArrayLike<number>, offsets: Uint32Array, k: number): Picked {
  const requests = offsets.length - 1;
  const picked = new Uint32Array(values.length);
  const pickedOffsets = new Uint32Array(requests + 1);
  let scratch = new Float64Array(1024);
  let taken = 0;
  for (let i = 0; i < requests; i += 1) {
    const begin = offsets[i] ?? 0;
    const end = offsets[i + 1] ?? 0;
    const count = end - begin;
    if (count > scratch.length) scratch = new Float64Array(2 * count);
    let threshold = Number.NEGATIVE_INFINITY;
    for (let row = 0; row < count; row += 1) scratch[row] = numberOf(values[begin + row]);
    if (count > k) threshold = kthLargest(scratch, count, k);
    let above = 0;
    for (let row = begin; row < end; row += 1) above += numberOf(values[row]) > threshold ? 1 : 0;
    let ties = Math.min(k, count) - above;
    for (let row = begin; row < end; row += 1) {
      const value = numberOf(values[row]);
      if (value > threshold || (value === threshold && ties > 0)) {
        if (value === threshold) ties -= 1;
        picked[taken] = row;
        taken += 1;
      }
    }
    pickedOffsets[i + 1] = taken;
  }
  return { rows: picked.slice(0, taken), offsets: pickedOffsets };
}

function numberOf(value: number | undefined): number {
  return value === undefined || Number.isNaN(value) ? Number.NEGATIVE_INFINITY : value;
}
