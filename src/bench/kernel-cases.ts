/** The grid of the kernel benchmark: every operation of the core, over the shapes that models of this kind have. */
import type { ArrayBatch, BenchSampling, MatmulPrecision, NativeBench } from '../runtime/native.js';
import type { AttributeValue, PlanTask } from '../runtime/plan.js';
import { type Cost, isDenseProduct, operationCost } from '../runtime/plan-cost.js';
import { type Operand, planOf, type SingleOperation, TILE_ROWS, valueBytes } from './kernel-plan.js';

export interface KernelCase {
  readonly op: string;
  readonly shape: string;
  /** How ids are distributed; '' for operations without ids. */
  readonly skew: string;
  /** What its operands are rounded to. */
  readonly dtype: MatmulPrecision;
  readonly rows: number;
  readonly cost: Cost;
  /** Bytes of memory that a call touches: says which cache the work can stay in. */
  readonly footprint: number;
  readonly time: (bench: NativeBench, sampling: BenchSampling) => Promise<Float64Array>;
}

/** An operation over some rows, in a shape that models have. */
export interface GridOperation {
  readonly shape: string;
  readonly operation: SingleOperation;
}

/** Kinds whose kernels run no code: their outputs are views of their inputs. */
export const VIEWS: ReadonlySet<string> = new Set(['concat', 'slice', 'stopGradient']);

const ROWS_PER_REQUEST = 32;

function batchOf(operation: SingleOperation): ArrayBatch {
  const rows = TILE_ROWS;
  const requests = [...(operation.inputs ?? []), ...operation.outputs].some(({ domain }) => domain === 'request');
  const tasks = operation.tasks ?? [];
  return {
    rows,
    ...(requests
      ? { requestOfRow: Uint32Array.from({ length: rows }, (_, r) => Math.floor(r / ROWS_PER_REQUEST)) }
      : {}),
    ...(tasks.length > 0
      ? {
          taskMask: new Uint32Array(rows).fill(2 ** tasks.length - 1),
          targets: tasks.map(() => Float32Array.from({ length: rows }, (_, r) => r % 2)),
        }
      : {}),
  };
}

/** An operation on one tile whose values stay in the caches, as in a program. */
function tileCase({ shape, operation }: GridOperation, matmul: MatmulPrecision): KernelCase {
  const plan = planOf(operation);
  const batch = batchOf(operation);
  const [op] = plan.segments.flatMap((segment) => segment.ops);
  const rowsOf = { row: TILE_ROWS, request: TILE_ROWS / ROWS_PER_REQUEST, none: 1 };
  const rows = rowsOf[operation.segment ?? 'row'];
  return {
    op: operation.kind,
    shape,
    skew: '',
    dtype: isDenseProduct(operation.kind) ? matmul : 'float32',
    rows,
    cost: op === undefined ? { flops: 0, bytes: 0 } : operationCost(plan, op, rows),
    footprint: valueBytes(plan),
    time: (bench, sampling) => bench.kernel(plan, batch, sampling, matmul === 'bfloat16'),
  };
}

function gridOperation(shape: string, operation: SingleOperation): GridOperation {
  return { shape, operation };
}

/** [in, out] of the layers of the reference models, thin ones included. */
const LAYERS: readonly (readonly [number, number])[] = [
  [292, 256],
  [256, 128],
  [128, 64],
  [65, 64],
  [64, 1],
  [415, 512],
  [512, 512],
  [512, 256],
  [4096, 256],
  [479, 1024],
  [1024, 1024],
];

function linearOperations(rows: number): GridOperation[] {
  return LAYERS.flatMap(([inputs, outputs]) => {
    const weight: Operand = { width: inputs * outputs, domain: 'none', shape: [outputs, inputs] };
    const bias: Operand = { width: outputs, domain: 'none' };
    const gradient = (operand: Operand): Operand => ({ ...operand, storage: 'grad' });
    const shape = `${rows}x${inputs}x${outputs}`;
    const x = { width: inputs };
    const y = { width: outputs };
    return [
      gridOperation(`${shape} relu`, {
        kind: 'linear',
        inputs: [x, weight, bias],
        outputs: [y],
        attributes: { activation: 'relu' },
      }),
      gridOperation(shape, { kind: 'linear.dx', inputs: [y, weight], outputs: [x] }),
      gridOperation(shape, { kind: 'linear.dw', inputs: [y, x], outputs: [gradient(weight), gradient(bias)] }),
    ];
  });
}

const WIDTHS = [16, 64, 256];

/** `arity` operands as wide as the result. */
function elementwise(
  rows: number,
  kind: string,
  arity: number,
  attributes: Readonly<Record<string, AttributeValue>> = {},
): GridOperation[] {
  const named = Object.values(attributes).filter((value) => typeof value === 'string');
  return WIDTHS.map((width) => {
    const inputs = Array.from({ length: arity }, () => ({ width }));
    return gridOperation([`${rows}x${width}`, ...named].join(' '), { kind, inputs, outputs: [{ width }], attributes });
  });
}

function elementwiseOperations(rows: number): GridOperation[] {
  const activations = ['relu', 'sigmoid', 'tanh'];
  const unary = ['exp', 'log', 'sqrt', 'square', 'abs', 'neg', 'softplus'];
  return [
    ...activations.flatMap((activation) => elementwise(rows, 'activation', 1, { activation })),
    ...activations.flatMap((activation) => elementwise(rows, 'activation.grad', 2, { activation })),
    ...unary.flatMap((name) => elementwise(rows, 'unary', 1, { function: name })),
    ...unary.flatMap((name) => elementwise(rows, 'unary.grad', 3, { function: name })),
    ...['add', 'sub', 'mul', 'div'].flatMap((kind) => elementwise(rows, kind, 2)),
    ...elementwise(rows, 'affine', 1, { scale: 2, shift: 1 }),
    ...elementwise(rows, 'dropout', 1, { rate: 0.1 }),
    ...elementwise(rows, 'dropout.grad', 1, { rate: 0.1, maskOf: 0 }),
    ...elementwise(rows, 'copy', 1),
    ...elementwise(rows, 'addInto', 1),
    ...elementwise(rows, 'zero', 0),
    ...elementwise(rows, 'softmax', 1),
    ...elementwise(rows, 'softmax.grad', 2),
  ];
}

function reductionOperations(rows: number): GridOperation[] {
  return WIDTHS.flatMap((width) => {
    const shape = `${rows}x${width}`;
    const x = { width };
    const one = { width: 1 };
    const experts = 4;
    const gates = { width: experts };
    const stacked = { width: experts * width };
    const request: Operand = { width, domain: 'request', storage: 'full' };
    return [
      gridOperation(shape, { kind: 'rowDot', inputs: [x, x], outputs: [one] }),
      gridOperation(shape, { kind: 'rowSum', inputs: [x], outputs: [one] }),
      gridOperation(shape, { kind: 'sumRows', inputs: [x], outputs: [{ width, domain: 'none', storage: 'grad' }] }),
      gridOperation(shape, { kind: 'logSumExp', inputs: [x], outputs: [one] }),
      gridOperation(`${shape} of ${experts}`, {
        kind: 'weightedSum',
        inputs: [gates, stacked],
        outputs: [x],
        attributes: { experts },
      }),
      gridOperation(`${shape} of ${experts}`, {
        kind: 'weightedSum.grad',
        inputs: [x, gates, stacked],
        outputs: [gates, stacked],
        attributes: { experts },
      }),
      gridOperation(`${shape} of ${ROWS_PER_REQUEST} a request`, { kind: 'expand', inputs: [request], outputs: [x] }),
      gridOperation(`${shape} of ${ROWS_PER_REQUEST} a request`, {
        kind: 'expand.grad',
        segment: 'request',
        inputs: [{ width, storage: 'full' }],
        outputs: [request],
      }),
    ];
  });
}

/** [vectors, dim] of the reference models. */
const INTERACTIONS: readonly (readonly [number, number])[] = [
  [8, 32],
  [27, 64],
  [27, 128],
];

function interactionOperations(rows: number): GridOperation[] {
  return INTERACTIONS.flatMap(([vectors, dim]) => {
    const x = { width: vectors * dim };
    const pairs = { width: (vectors * (vectors - 1)) / 2 };
    const shape = `${rows}x${vectors}x${dim}`;
    return [
      gridOperation(shape, { kind: 'dotInteraction', inputs: [x], outputs: [pairs], attributes: { dim } }),
      gridOperation(shape, { kind: 'dotInteraction.grad', inputs: [pairs, x], outputs: [x], attributes: { dim } }),
    ];
  });
}

/** Gates of groups of columns, one per embedding of the reference models. */
function gateOperations(rows: number): GridOperation[] {
  return INTERACTIONS.flatMap(([groups, dim]) => {
    const shape = `${rows}x${groups}x${dim}`;
    const gates = { width: groups };
    const x = { width: groups * dim };
    const gate: Operand = { width: groups, domain: 'none' };
    const settings = { temperature: 0.5, low: -0.1, high: 1.1 };
    const drawn = { segment: 'none', outputs: [gate], attributes: { ...settings, maskOf: 0 } } as const;
    return [
      gridOperation(shape, { kind: 'scaleGroups', inputs: [gates, x], outputs: [x] }),
      gridOperation(shape, { kind: 'groupDot', inputs: [x, x], outputs: [gates], attributes: { groups } }),
      gridOperation(`${groups}`, { kind: 'hardConcrete', ...drawn, inputs: [gate] }),
      gridOperation(`${groups}`, { kind: 'hardConcrete.grad', ...drawn, inputs: [gate, gate] }),
      gridOperation(`${groups}`, {
        kind: 'constant',
        segment: 'none',
        outputs: [gate],
        attributes: { values: Array.from({ length: groups }, (_, g) => g) },
      }),
    ];
  });
}

function lossOperations(rows: number): GridOperation[] {
  const losses = ['bce', 'mse', 'huber', 'pseudo-huber', 'log-cosh'] as const;
  const task = (kind: PlanTask['kind'], logits: number): PlanTask => ({
    name: `${kind}${logits}`,
    kind,
    weight: 1,
    delta: 1,
    logits,
  });
  const one = { width: 1 };
  const three = { kind: 'loss', inputs: [one, one, one], outputs: [one, one, one] };
  return [
    ...losses.map((kind) =>
      gridOperation(`${rows} ${kind}`, { kind: 'loss', inputs: [one], outputs: [one], tasks: [task(kind, 0)] }),
    ),
    gridOperation(`${rows}`, {
      kind: 'pairwiseRank',
      inputs: [one],
      outputs: [one, one],
      attributes: { event: 1, condition: 0, nearMargin: 0.5, plainMargin: 1, surrogate: 'hinge', norm: 'mean' },
      tasks: [task('bce', 0), task('bce', 0)],
    }),
    gridOperation(`${rows}`, { kind: 'pairwiseRank.grad', inputs: [one, one], outputs: [one] }),
    gridOperation(`${rows}`, {
      kind: 'crossEntropy',
      inputs: [{ width: 3 }],
      outputs: [one, { width: 3 }],
      attributes: { events: [0, 1] },
      tasks: [task('bce', 0), task('bce', 0)],
    }),
    gridOperation(`${rows} bce+mse+bce`, { ...three, tasks: [task('bce', 0), task('mse', 1), task('bce', 2)] }),
  ];
}

/** Operations over that many rows. Lookups and updates: table-cases.ts. */
export function gridOperations(rows: number): GridOperation[] {
  return [
    ...linearOperations(rows),
    ...elementwiseOperations(rows),
    ...reductionOperations(rows),
    ...interactionOperations(rows),
    ...gateOperations(rows),
    ...lossOperations(rows),
  ];
}

/** Operations of one tile. */
export function tileCases(matmul: MatmulPrecision): KernelCase[] {
  return gridOperations(TILE_ROWS).map((operation) => tileCase(operation, matmul));
}
