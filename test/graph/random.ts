/** Repeatable numbers and batches for tests. */
import type { ArrayBatch, ParameterSpec } from '../../src/runtime/native.js';
import type { Plan } from '../../src/runtime/plan.js';
import { present, type ReferenceBatch } from './reference.js';

/** Uniform in [0, 1): mulberry32. */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Numbers in ±[0.05, 1.05), or in [0.3, 1.3) when positive: away from kinks; exact in float32. */
export function numbers(length: number, random: () => number, positive = false): Float64Array {
  return Float64Array.from({ length }, () => {
    const magnitude = random();
    return Math.fround(positive ? 0.3 + magnitude : (0.05 + magnitude) * (random() < 0.5 ? -1 : 1));
  });
}

export function randomParameters(
  specs: readonly ParameterSpec[],
  random: () => number,
  positive = false,
): Map<string, Float64Array> {
  return new Map(
    specs.map(({ name, shape }) => [
      name,
      numbers(
        shape.reduce((a, b) => a * b, 1),
        random,
        positive,
      ),
    ]),
  );
}

export interface BatchOptions {
  readonly rows: number;
  readonly positive?: boolean;
}

/** A batch for any plan: bags of 0 to 4 ids, requests of 1 to 3 rows, masked tasks with NaN targets, row weights. */
export function randomBatch(plan: Plan, random: () => number, options: BatchOptions): ReferenceBatch {
  const { rows } = options;
  const hasRequests = [...plan.denseInputs, ...plan.idInputs].some(({ domain }) => domain === 'request');
  const requestOfRow = new Uint32Array(rows);
  for (let row = 1; row < rows; row += 1) {
    requestOfRow[row] = present(requestOfRow[row - 1]) + (random() < 0.5 ? 1 : 0);
  }
  const requests = present(requestOfRow.at(-1)) + 1;
  const count = (domain: string): number => (domain === 'row' ? rows : requests);
  const tasks = plan.tasks.length;
  const taskMask = Uint32Array.from({ length: rows }, (_, row) =>
    row === 0 ? 2 ** tasks - 1 : Math.floor(random() * 2 ** tasks),
  );
  return {
    rows,
    dense: plan.denseInputs.map(({ domain, width }) => numbers(count(domain) * width, random, options.positive)),
    ids: plan.idInputs.map(({ domain, multi, weighted, table }) => {
      const size = present(plan.tables[table]).rows;
      const lengths = Array.from({ length: count(domain) }, () => (multi ? Math.floor(random() * 5) : 1));
      const total = lengths.reduce((a, b) => a + b, 0);
      const offsets = new Uint32Array(lengths.length + 1);
      lengths.forEach((length, row) => {
        offsets[row + 1] = present(offsets[row]) + length;
      });
      return {
        ids: Uint32Array.from({ length: total }, () => Math.floor(random() * size)),
        ...(multi ? { offsets } : {}),
        ...(weighted ? { weights: Float32Array.from(numbers(total, random)) } : {}),
      };
    }),
    ...(hasRequests ? { requestOfRow } : {}),
    taskMask,
    targets: plan.tasks.map((_, task) =>
      Float64Array.from({ length: rows }, (_, row) =>
        (present(taskMask[row]) >>> task) % 2 === 1 ? Math.fround(random()) : Number.NaN,
      ),
    ),
    weight: Float64Array.from({ length: rows }, () => Math.fround(0.25 + random())),
  };
}

/** The same batch in float32. */
export function toArrayBatch(batch: ReferenceBatch): ArrayBatch {
  return {
    ...batch,
    dense: batch.dense.map((values) => Float32Array.from(values)),
    targets: batch.targets?.map((values) => Float32Array.from(values)),
    weight: batch.weight === undefined ? undefined : Float32Array.from(batch.weight),
  };
}
