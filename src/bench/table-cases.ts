/** The grid's operations on embedding tables and their updates: what depends on how ids are spread. */
import type { ArrayBatch, SparseOptimizerSettings } from '../runtime/native.js';
import type { Plan } from '../runtime/plan.js';
import { type Cost, lookupCost, sparseUpdateCost, stateFloats } from '../runtime/plan-cost.js';
import type { KernelCase } from './kernel-cases.js';
import { planOf, type SingleOperation } from './kernel-plan.js';
import { permutation, Random, Zipf } from './random.js';
import { DENSE_SETTINGS, SPARSE_SETTINGS } from './step-problem.js';

/** Rows of a batch, as long as the reference step's. */
const BAGS = 4096;

export interface TableShape {
  readonly rows: number;
  readonly dim: number;
  /** Mean ids of a bag: 1 is a single-valued feature, more are bags of 1 … 2n − 1 ids. */
  readonly length: number;
  /** Exponent of the id distribution; 0 is uniform. */
  readonly skew: number;
}

export const TABLE_SHAPES: readonly TableShape[] = [
  ...[16, 32, 64, 128].flatMap((dim) =>
    [1, 20].flatMap((length) => [0, 1.05].map((skew) => ({ rows: 100_000, dim, length, skew }))),
  ),
  { rows: 1_000_000, dim: 64, length: 10, skew: 1.05 },
];

interface Lookups {
  readonly plan: Plan;
  readonly batch: ArrayBatch;
  readonly ids: number;
  readonly distinct: number;
}

export interface DrawnIds {
  readonly ids: Uint32Array;
  /** Of lists. */
  readonly offsets?: Uint32Array;
}

/** Ids of so many bags. */
export function drawIds({ rows, length, skew }: TableShape, bags: number, seed: number): DrawnIds {
  const random = new Random(seed);
  const place = permutation(rows, random);
  const zipf = skew === 0 ? undefined : new Zipf(rows, skew);
  const draw = (): number => (zipf === undefined ? random.below(rows) : place(zipf.draw(random)));
  if (length === 1) return { ids: Uint32Array.from({ length: bags }, draw) };
  const offsets = new Uint32Array(bags + 1);
  for (let bag = 0; bag < bags; bag += 1) {
    offsets[bag + 1] = (offsets[bag] ?? 0) + 1 + random.below(2 * length - 1);
  }
  return { ids: Uint32Array.from({ length: offsets[bags] ?? 0 }, draw), offsets };
}

/** The lookup of one table. */
export function lookupOperation({ rows, dim, length }: TableShape): SingleOperation {
  return {
    kind: 'embedding',
    outputs: [{ width: dim }],
    attributes: { idInputs: [0], pooling: [0] },
    idInputs: [{ name: 'ids', domain: 'row', multi: length > 1, weighted: false, table: 0 }],
    tables: [{ name: 'embeddings.table', rows, dim }],
  };
}

function makeLookups(shape: TableShape): Lookups {
  const drawn = drawIds(shape, BAGS, 1);
  const batch: ArrayBatch = { rows: BAGS, ids: [drawn] };
  return {
    plan: planOf(lookupOperation(shape)),
    batch,
    ids: drawn.ids.length,
    distinct: new Set(drawn.ids).size,
  };
}

export const OPTIMIZERS: readonly SparseOptimizerSettings['kind'][] = ['adagrad', 'rowwise-adagrad', 'adam', 'sgd'];

export function shapeText({ rows, dim, length }: TableShape, bags: number): string {
  return `${bags} bags of ${length}, table ${rows}x${dim}`;
}

export function skewText({ skew }: TableShape): string {
  return skew === 0 ? 'uniform' : `zipf(${skew})`;
}

function casesOf(shape: TableShape): KernelCase[] {
  const { dim } = shape;
  let made: Lookups | undefined;
  // Made when first needed: a run over other operations does without.
  const lookups = (): Lookups => {
    made ??= makeLookups(shape);
    return made;
  };
  const name = shapeText(shape, BAGS);
  const common = { skew: skewText(shape), dtype: 'float32', rows: BAGS } as const;
  const lookup: KernelCase = {
    ...common,
    op: 'embedding',
    shape: name,
    get cost() {
      return lookupCost(lookups().ids, BAGS, dim);
    },
    get footprint() {
      const { ids, distinct } = lookups();
      return 4 * (distinct * dim + ids);
    },
    time: (bench, sampling) => {
      const { plan, batch } = lookups();
      return bench.kernel(plan, batch, sampling, false);
    },
  };
  const sort: KernelCase = {
    ...common,
    op: 'tableIndex',
    shape: name,
    // Keys of 8 bytes are read and written by two passes, and what the index holds is written.
    get cost() {
      const { ids, distinct } = lookups();
      return { flops: 0, bytes: ids * (4 + 2 * 2 * 8 + 10) + distinct * 8 };
    },
    get footprint() {
      return lookups().ids * (4 + 2 * 8 + 10);
    },
    time: (bench, sampling) => {
      const { plan, batch } = lookups();
      return bench.tableIndex(plan, batch, sampling);
    },
  };
  const updates = OPTIMIZERS.map((kind): KernelCase => {
    const state = stateFloats(kind, dim);
    return {
      ...common,
      op: 'update.sparse',
      shape: `${name}, ${kind}`,
      get cost() {
        const { ids, distinct } = lookups();
        return sparseUpdateCost(ids, distinct, dim, state);
      },
      get footprint() {
        const { ids, distinct } = lookups();
        return 4 * (distinct * (dim + state) + BAGS * dim + 3 * ids);
      },
      time: (bench, sampling) => {
        const { plan, batch } = lookups();
        return bench.sparseUpdate(plan, batch, { kind, ...SPARSE_SETTINGS }, sampling);
      },
    };
  });
  return [lookup, ...(dim === 32 ? [sort] : []), ...updates];
}

/** Dense parameters of the reference two-tower, about. */
const DENSE_COUNT = 250_000;

export const DENSE_OPTIMIZERS = ['sgd', 'adagrad', 'adam', 'adamw'] as const;

/** Floats that the update of a dense parameter reads and writes. */
const UPDATE_FLOATS = { sgd: 3, adagrad: 5, adam: 7, adamw: 7 } as const;

export function denseUpdateCost(kind: (typeof DENSE_OPTIMIZERS)[number], count: number): Cost {
  return { flops: 2 * UPDATE_FLOATS[kind] * count, bytes: 4 * UPDATE_FLOATS[kind] * count };
}

function denseUpdateCases(): KernelCase[] {
  return DENSE_OPTIMIZERS.map((kind) => ({
    op: 'update.dense',
    shape: `${DENSE_COUNT} ${kind}`,
    skew: '',
    dtype: 'float32',
    rows: DENSE_COUNT,
    cost: denseUpdateCost(kind, DENSE_COUNT),
    footprint: 4 * Math.ceil((UPDATE_FLOATS[kind] + 1) / 2) * DENSE_COUNT,
    time: (bench, sampling) => bench.denseUpdate(DENSE_COUNT, { kind, ...DENSE_SETTINGS }, sampling),
  }));
}

export function tableCases(): KernelCase[] {
  return [...TABLE_SHAPES.flatMap(casesOf), ...denseUpdateCases()];
}
