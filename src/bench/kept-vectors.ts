/** Vectors of generated ads, computed beforehand, and requests that score some of them. */
import type { SidePrograms } from '../models/model.js';
import { AD_VECTORS } from '../models/sides.js';
import type { Addon, ColumnSpec, NativeParameterStore, PredictionBatch } from '../runtime/native.js';
import { predictionBatch } from './array-batches.js';
import { permutation, Random } from './random.js';

export interface KeptVectors {
  /** [ads, width]. */
  readonly values: Float32Array;
  /** Where the vector of a generated row lies: requests find their ads scattered. */
  readonly place: (row: number) => number;
  /** Ads whose vectors a second of computing gives. */
  readonly adsPerSecond: number;
}

/** Rows of a batch. */
const BATCH = 1000;

/** The vectors of the first `ads` rows of the columns. */
export async function keepVectors(
  addon: Addon,
  { ads: program, width }: SidePrograms,
  store: NativeParameterStore,
  columns: readonly ColumnSpec[],
  { ads, seed }: { readonly ads: number; readonly seed: number },
): Promise<KeptVectors> {
  const native = new addon.Program(program.plan, store, { threads: 1, capacity: BATCH, seed });
  const values = new Float32Array(ads * width);
  const place = permutation(ads, new Random(seed));
  let seconds = 0;
  for (let first = 0; first < ads; first += BATCH) {
    const rowsPerRequest = Math.min(BATCH, ads - first);
    const batch = predictionBatch(program, columns, { first, requests: 1, rowsPerRequest });
    const start = performance.now();
    const [vectors = new Float32Array()] = await native.predict(batch);
    seconds += (performance.now() - start) / 1e3;
    for (let i = 0; i < rowsPerRequest; i += 1) {
      values.set(vectors.subarray(i * width, (i + 1) * width), place(first + i) * width);
    }
  }
  return { values, place, adsPerSecond: ads / seconds };
}

/** As `predictionBatch`, for the program that scores kept vectors. */
export function keptBatch(
  { scoring }: SidePrograms,
  { values, place }: KeptVectors,
  columns: readonly ColumnSpec[],
  shape: { readonly first: number; readonly requests: number; readonly rowsPerRequest: number },
): PredictionBatch {
  const batch = predictionBatch(scoring, columns, shape);
  const rows = Uint32Array.from({ length: batch.rows }, (_, row) => place(shape.first + row));
  const vectors = scoring.plan.denseInputs.findIndex(({ name }) => name === AD_VECTORS);
  return { ...batch, dense: (batch.dense ?? []).map((matrix, i) => (i === vectors ? { values, rows } : matrix)) };
}
