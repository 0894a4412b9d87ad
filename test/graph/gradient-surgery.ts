/** PCGrad and MGDA on whole gradient vectors: what the coefficients of the native step are tested against. */
import { Philox, philoxKey } from '../../src/base/philox.js';
import { present } from './reference.js';

export function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + value * present(b[i]), 0);
}

/** The order in which task `task` visits the others (task_weights.cc). */
function visitingOrder(task: number, tasks: number, seed: number, step: number): number[] {
  const [low, high] = philoxKey(seed);
  const philox = new Philox([(low ^ 0x61647374) >>> 0, (high ^ 0x70636772) >>> 0]);
  const order = Array.from({ length: tasks }, (_, i) => i);
  for (let i = tasks - 1; i > 0; i -= 1) {
    philox.draw(i, task, 0, step);
    const j = Number((BigInt(present(philox.words[0])) * BigInt(i + 1)) >> 32n);
    [order[i], order[j]] = [present(order[j]), present(order[i])];
  }
  return order.filter((other) => other !== task);
}

/** Σ g'_i on vectors (losses.md §4). */
export function pcgrad(vectors: readonly Float64Array[], seed: number, step: number): Float64Array {
  const sum = new Float64Array(present(vectors[0]).length);
  for (const [i, vector] of vectors.entries()) {
    const own = Float64Array.from(vector);
    for (const j of visitingOrder(i, vectors.length, seed, step)) {
      const other = present(vectors[j]);
      const conflict = dot(own, other);
      if (conflict >= 0) continue;
      const share = conflict / dot(other, other);
      for (let x = 0; x < own.length; x += 1) own[x] = present(own[x]) - share * present(other[x]);
    }
    for (let x = 0; x < sum.length; x += 1) sum[x] = present(sum[x]) + present(own[x]);
  }
  return sum;
}

/** The weights of least norm by a fine search over the simplex, refined around the best. */
export function leastNorm(vectors: readonly Float64Array[]): number[] {
  const [a, b, c] = [present(vectors[0]), present(vectors[1]), present(vectors[2])];
  const gram = [a, b, c].map((x) => [a, b, c].map((y) => dot(x, y)));
  const norm = (w: readonly number[]): number =>
    w.reduce((sum, x, i) => sum + w.reduce((part, y, j) => part + x * y * present(gram[i]?.[j]), 0), 0);
  let best = [1 / 3, 1 / 3, 1 / 3];
  for (let radius = 1; radius > 1e-7; radius /= 2) {
    for (let i = -8; i <= 8; i += 1) {
      for (let j = -8; j <= 8; j += 1) {
        const x = present(best[0]) + (i * radius) / 8;
        const y = present(best[1]) + (j * radius) / 8;
        const w = [x, y, 1 - x - y];
        if (Math.min(...w) >= 0 && norm(w) < norm(best)) best = w;
      }
    }
  }
  return best;
}
