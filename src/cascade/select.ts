/** The best rows of each request: value descending, ties by row ascending (metrics.md). */

/** The k-th largest value, k from 1; reorders them. */
function kthLargest(values: Float64Array, k: number): number {
  let low = 0;
  let high = values.length - 1;
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
  const numbers = new Float64Array(values.length);
  for (let row = 0; row < numbers.length; row += 1) {
    const value = values[row] ?? Number.NaN;
    numbers[row] = Number.isNaN(value) ? Number.NEGATIVE_INFINITY : value;
  }
  const reordered = numbers.slice();
  let taken = 0;
  for (let i = 0; i < requests; i += 1) {
    const begin = offsets[i] ?? 0;
    const end = offsets[i + 1] ?? 0;
    const threshold = end - begin > k ? kthLargest(reordered.subarray(begin, end), k) : Number.NEGATIVE_INFINITY;
    let above = 0;
    for (let row = begin; row < end; row += 1) {
      if ((numbers[row] ?? 0) > threshold) above += 1;
    }
    let ties = Math.min(k, end - begin) - above;
    for (let row = begin; row < end; row += 1) {
      const value = numbers[row] ?? 0;
      if (value < threshold || (value === threshold && ties === 0)) continue;
      if (value === threshold) ties -= 1;
      picked[taken] = row;
      taken += 1;
    }
    pickedOffsets[i + 1] = taken;
  }
  return { rows: picked.slice(0, taken), offsets: pickedOffsets };
}
