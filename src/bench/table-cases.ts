/** The grid's operations on embedding tables and their updates: what depends on how ids are spread. */
import type { ArrayBatch, SparseOptimizerSettings } from '../runtime/native.js';
import type { Plan } from '../runtime/plan.js';
import { lookupCost, sparseUpdateCost, stateFloats } from '../runtime/plan-cost.js';
import type { KernelCase } from './kernel-cases.js';
import { planOf } from './kernel-plan.js';
import { permutation, Random, Zipf } from './random.js';
import { DENSE_SETTINGS, SPARSE_SETTINGS } from './step-problem.js';

/** Rows of a batch, as long as the reference step's. */
const BAGS = 4096;

interface TableShape {
  readonly rows: number;
  readonly dim: number;
  /** Mean ids of a bag: 1 is a single-valued feature, more are bags of 1 … 2n − 1 ids. */
  readonly length: number;
  /** Exponent of the id distribution; 0 is uniform. */
  readonly skew: number;
}

const SHAPES: readonly TableShape[] = [
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

function makeLookups({ rows, dim, length, skew }: TableShape): Lookups {
  const random = new Random(1);
  const zipf = new Zipf(rows, skew);
  const place = permutation(rows, random);
  const multi = length > 1;
  const offsets = new Uint32Array(BAGS + 1);
  for (let bag = 0; bag < BAGS; bag += 1) {
    offsets[bag + 1] = (offsets[bag] ?? 0) + (multi ? 1 + random.below(2 * length - 1) : 1);
  }
  const ids = Uint32Array.from({ length: offsets[BAGS] ?? 0 }, () => place(zipf.draw(random)));
  const plan = planOf({
    kind: 'embedding',
    outputs: [{ width: dim }],
    attributes: { idInputs: [0], pooling: [0] },
    idInputs: [{ name: 'ids', domain: 'row', multi, weighted: false, table: 0 }],
    tables: [{ name: 'embeddings.table', rows, dim }],
  });
  const batch: ArrayBatch = { rows: BAGS, ids: [multi ? { ids, offsets } : { ids }] };
  return { plan, batch, ids: ids.length, distinct: new Set(ids).size };
}

const OPTIMIZERS: readonly SparseOptimizerSettings['kind'][] = ['adagrad', 'rowwise-adagrad', 'adam', 'sgd'];

function casesOf(shape: TableShape): KernelCase[] {
  const { rows, dim, length, skew } = shape;
  let made: Lookups | undefined;
  // Made when first needed: a run over other operations does without.
  const lookups = (): Lookups => {
    made ??= makeLookups(shape);
    return made;
  };
  const name = `${BAGS} bags of ${length}, table ${rows}x${dim}`;
  const common = { skew: skew === 0 ? 'uniform' : `zipf(${skew})`, dtype: 'float32', rows: BAGS } as const;
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
      return bench.kernel(plan, batch, sampling);
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

function denseUpdateCases(): KernelCase[] {
  const floats = { sgd: 3, adagrad: 5, adam: 7, adamw: 7 } as const;
  return (['sgd', 'adagrad', 'adam', 'adamw'] as const).map((kind) => ({
    op: 'update.dense',
    shape: `${DENSE_COUNT} ${kind}`,
    skew: '',
    dtype: 'float32',
    rows: DENSE_COUNT,
    cost: { flops: 2 * floats[kind] * DENSE_COUNT, bytes: 4 * floats[kind] * DENSE_COUNT },
    footprint: 4 * Math.ceil((floats[kind] + 1) / 2) * DENSE_COUNT,
    time: (bench, sampling) => bench.denseUpdate(DENSE_COUNT, { kind, ...DENSE_SETTINGS }, sampling),
  }));
}

export function tableCases(): KernelCase[] {
  return [...SHAPES.flatMap(casesOf), ...denseUpdateCases()];
}
