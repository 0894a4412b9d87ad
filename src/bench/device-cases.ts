/** The grid of the kernel benchmark on a GPU: operations over whole batches, lookups and updates of tables and dense parameters. */
import type { ArrayBatch, DenseOptimizerSettings, SparseOptimizerSettings } from '../runtime/native.js';
import { type Cost, lookupCost, operationCost, sparseUpdateCost, stateFloats } from '../runtime/plan-cost.js';
import { type DevicePlan, type DeviceWork, devicePlanOf, FILL_ROWS } from './device-plan.js';
import { type GridOperation, gridOperations } from './kernel-cases.js';
import type { SingleOperation } from './kernel-plan.js';
import { Random } from './random.js';
import {
  DENSE_OPTIMIZERS,
  type DrawnIds,
  denseUpdateCost,
  drawIds,
  lookupOperation,
  OPTIMIZERS,
  shapeText,
  skewText,
  TABLE_SHAPES,
  type TableShape,
} from './table-cases.js';

export interface DeviceProblem extends DevicePlan {
  /** In turn, so that no batch finds its own rows in a cache. */
  readonly batches: readonly ArrayBatch[];
  /** Of the mean batch. */
  readonly cost: Cost;
}

export interface DeviceCase {
  readonly op: string;
  readonly shape: string;
  readonly skew: string;
  readonly rows: number;
  readonly sparse: SparseOptimizerSettings['kind'];
  readonly dense: DenseOptimizerSettings['kind'];
  readonly make: () => DeviceProblem;
}

export interface DeviceGrid {
  /** Rows of a batch. */
  readonly rows: number;
  /** Bytes that are overwritten before and after an operation: more than the L2 cache has. */
  readonly flushBytes: number;
  readonly tables: readonly TableShape[];
  /** Counts of dense parameters. */
  readonly dense: readonly number[];
}

/** A table whose rows a batch rarely meets twice, as large as those of dlrm-criteo-1tb, besides the CPU's. */
export const DEVICE_TABLES: readonly TableShape[] = [
  ...TABLE_SHAPES,
  { rows: 10_000_000, dim: 128, length: 20, skew: 0 },
];

/** Dense parameters of two-tower-d and of dlrm-criteo-1tb, about. */
export const DEVICE_DENSE: readonly number[] = [250_000, 2_400_000];

const BATCHES = 4;

/** What one program with one loss can run: rows in, rows or gradients of parameters out. */
function fitsDevice({ operation }: GridOperation): boolean {
  const { kind, segment = 'row', inputs = [], outputs, tasks = [] } = operation;
  const requests = [...inputs, ...outputs].some(({ domain }) => domain === 'request');
  return segment === 'row' && !requests && !kind.startsWith('pairwiseRank') && (tasks.length === 0 || kind === 'loss');
}

function flushWidth({ rows, flushBytes }: DeviceGrid): number {
  return Math.max(1, Math.ceil(flushBytes / 4 / rows));
}

function batchesOf(plan: DevicePlan, rows: number, own: readonly (readonly DrawnIds[])[]): ArrayBatch[] {
  const { tasks } = plan.plan;
  return Array.from({ length: BATCHES }, (_, index) => {
    const random = new Random(index + 1);
    const fill = Uint32Array.from({ length: rows }, () => random.below(FILL_ROWS));
    return {
      rows,
      ids: [...(own[index] ?? []), ...Array.from({ length: plan.fills }, () => ({ ids: fill }))],
      taskMask: new Uint32Array(rows).fill(2 ** tasks.length - 1),
      targets: tasks.map(() => Float32Array.from({ length: rows }, (_value, r) => r % 2)),
    };
  });
}

function rowCase(grid: DeviceGrid, { shape, operation }: GridOperation): DeviceCase {
  return {
    op: operation.kind,
    shape,
    skew: '',
    rows: grid.rows,
    sparse: 'sgd',
    dense: 'sgd',
    make: () => {
      const made = devicePlanOf({ operation }, flushWidth(grid));
      const [op] = made.plan.segments.flatMap(({ ops }) => ops).slice(made.timed);
      const cost = op === undefined ? { flops: 0, bytes: 0 } : operationCost(made.plan, op, grid.rows);
      return { ...made, batches: batchesOf(made, grid.rows, []), cost };
    },
  };
}

interface TableIds {
  readonly batches: readonly (readonly DrawnIds[])[];
  /** Of the mean batch. */
  readonly ids: number;
  readonly distinct: number;
}

function drawBatches(shape: TableShape, rows: number): TableIds {
  const batches = Array.from({ length: BATCHES }, (_, index) => [drawIds(shape, rows, index + 1)]);
  const mean = (count: (ids: Uint32Array) => number): number =>
    batches.flat().reduce((sum, { ids }) => sum + count(ids), 0) / BATCHES;
  return { batches, ids: mean((ids) => ids.length), distinct: mean((ids) => new Set(ids).size) };
}

function tableCasesOf(grid: DeviceGrid, shape: TableShape): DeviceCase[] {
  const { rows } = grid;
  const { dim } = shape;
  const lookup = lookupOperation(shape);
  const kept: SingleOperation = { ...lookup, outputs: [{ width: dim, storage: 'full' }] };
  let drawn: TableIds | undefined;
  const problem = (work: DeviceWork, costOf: (ids: number, distinct: number) => Cost): DeviceProblem => {
    const made = devicePlanOf(work, flushWidth(grid));
    // Drawn when first needed: a run over other operations does without.
    drawn ??= drawBatches(shape, rows);
    return { ...made, batches: batchesOf(made, rows, drawn.batches), cost: costOf(drawn.ids, drawn.distinct) };
  };
  const common = { skew: skewText(shape), rows, dense: 'sgd' } as const;
  const name = shapeText(shape, rows);
  return [
    {
      ...common,
      op: 'embedding',
      shape: name,
      sparse: 'sgd',
      make: () => problem({ operation: lookup }, (ids) => lookupCost(ids, rows, dim)),
    },
    ...OPTIMIZERS.map((kind) => ({
      ...common,
      op: 'update.sparse',
      shape: `${name}, ${kind}`,
      sparse: kind,
      make: () =>
        problem({ operation: kept, sparse: true }, (ids, distinct) =>
          sparseUpdateCost(ids, distinct, dim, stateFloats(kind, dim)),
        ),
    })),
  ];
}

function denseCases(grid: DeviceGrid, count: number): DeviceCase[] {
  return DENSE_OPTIMIZERS.map((kind) => ({
    op: 'update.dense',
    shape: `${count} ${kind}`,
    skew: '',
    rows: count,
    sparse: 'sgd',
    dense: kind,
    make: () => {
      const made = devicePlanOf({ dense: count }, flushWidth(grid));
      return { ...made, batches: batchesOf(made, grid.rows, []), cost: denseUpdateCost(kind, count) };
    },
  }));
}

export function deviceCases(grid: DeviceGrid): DeviceCase[] {
  return [
    ...gridOperations(grid.rows)
      .filter(fitsDevice)
      .map((operation) => rowCase(grid, operation)),
    ...grid.tables.flatMap((shape) => tableCasesOf(grid, shape)),
    ...grid.dense.flatMap((count) => denseCases(grid, count)),
  ];
}
