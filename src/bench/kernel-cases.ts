/** The grid of the kernel benchmark: every operation of the core, over the shapes that models of this kind have. */
import type { ArrayBatch, BenchSampling, NativeBench } from '../runtime/native.js';
import type { AttributeValue, PlanTask } from '../runtime/plan.js';
import { type Cost, operationCost } from '../runtime/plan-cost.js';
import { type Operand, planOf, type SingleOperation, TILE_ROWS, valueBytes } from './kernel-plan.js';

export interface KernelCase {
  readonly op: string;
  readonly shape: string;
  /** How ids are distributed; '' for operations without ids. */
  readonly skew: string;
  readonly dtype: 'float32';
  readonly rows: number;
  readonly cost: Cost;
  /** Bytes of memory that a call touches: says which cache the work can stay in. */
  readonly footprint: number;
  readonly time: (bench: NativeBench, sampling: BenchSampling) => Promise<Float64Array>;
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
function tileCase(shape: string, operation: SingleOperation): KernelCase {
  const plan = planOf(operation);
  const batch = batchOf(operation);
  const [op] = plan.segments.flatMap((segment) => segment.ops);
  const rowsOf = { row: TILE_ROWS, request: TILE_ROWS / ROWS_PER_REQUEST, none: 1 };
  const rows = rowsOf[operation.segment ?? 'row'];
  return {
    op: operation.kind,
    shape,
    skew: '',
    dtype: 'float32',
    rows,
    cost: op === undefined ? { flops: 0, bytes: 0 } : operationCost(plan, op, rows),
    footprint: valueBytes(plan),
    time: (bench, sampling) => bench.kernel(plan, batch, sampling),
  };
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
];

function linearCases(): KernelCase[] {
  return LAYERS.flatMap(([inputs, outputs]) => {
    const weight: Operand = { width: inputs * outputs, domain: 'none', shape: [outputs, inputs] };
    const bias: Operand = { width: outputs, domain: 'none' };
    const gradient = (operand: Operand): Operand => ({ ...operand, storage: 'grad' });
    const shape = `${TILE_ROWS}x${inputs}x${outputs}`;
    const x = { width: inputs };
    const y = { width: outputs };
    return [
      tileCase(`${shape} relu`, {
        kind: 'linear',
        inputs: [x, weight, bias],
        outputs: [y],
        attributes: { activation: 'relu' },
      }),
      tileCase(shape, { kind: 'linear.dx', inputs: [y, weight], outputs: [x] }),
      tileCase(shape, { kind: 'linear.dw', inputs: [y, x], outputs: [gradient(weight), gradient(bias)] }),
    ];
  });
}

const WIDTHS = [16, 64, 256];

/** `arity` operands as wide as the result. */
function elementwise(
  kind: string,
  arity: number,
  attributes: Readonly<Record<string, AttributeValue>> = {},
): KernelCase[] {
  const named = Object.values(attributes).filter((value) => typeof value === 'string');
  return WIDTHS.map((width) => {
    const inputs = Array.from({ length: arity }, () => ({ width }));
    return tileCase([`${TILE_ROWS}x${width}`, ...named].join(' '), { kind, inputs, outputs: [{ width }], attributes });
  });
}

function elementwiseCases(): KernelCase[] {
  const activations = ['relu', 'sigmoid', 'tanh'];
  const unary = ['exp', 'log', 'sqrt', 'square', 'abs', 'neg', 'softplus'];
  return [
    ...activations.flatMap((activation) => elementwise('activation', 1, { activation })),
    ...activations.flatMap((activation) => elementwise('activation.grad', 2, { activation })),
    ...unary.flatMap((name) => elementwise('unary', 1, { function: name })),
    ...unary.flatMap((name) => elementwise('unary.grad', 3, { function: name })),
    ...['add', 'sub', 'mul', 'div'].flatMap((kind) => elementwise(kind, 2)),
    ...elementwise('affine', 1, { scale: 2, shift: 1 }),
    ...elementwise('dropout', 1, { rate: 0.1 }),
    ...elementwise('dropout.grad', 1, { rate: 0.1, maskOf: 0 }),
    ...elementwise('copy', 1),
    ...elementwise('addInto', 1),
    ...elementwise('zero', 0),
    ...elementwise('softmax', 1),
    ...elementwise('softmax.grad', 2),
  ];
}

function reductionCases(): KernelCase[] {
  return WIDTHS.flatMap((width) => {
    const shape = `${TILE_ROWS}x${width}`;
    const x = { width };
    const one = { width: 1 };
    const experts = 4;
    const gates = { width: experts };
    const stacked = { width: experts * width };
    const request: Operand = { width, domain: 'request', storage: 'full' };
    return [
      tileCase(shape, { kind: 'rowDot', inputs: [x, x], outputs: [one] }),
      tileCase(shape, { kind: 'rowSum', inputs: [x], outputs: [one] }),
      tileCase(shape, { kind: 'sumRows', inputs: [x], outputs: [{ width, domain: 'none', storage: 'grad' }] }),
      tileCase(shape, { kind: 'logSumExp', inputs: [x], outputs: [one] }),
      tileCase(`${shape} of ${experts}`, {
        kind: 'weightedSum',
        inputs: [gates, stacked],
        outputs: [x],
        attributes: { experts },
      }),
      tileCase(`${shape} of ${experts}`, {
        kind: 'weightedSum.grad',
        inputs: [x, gates, stacked],
        outputs: [gates, stacked],
        attributes: { experts },
      }),
      tileCase(`${shape} of ${ROWS_PER_REQUEST} a request`, { kind: 'expand', inputs: [request], outputs: [x] }),
      tileCase(`${shape} of ${ROWS_PER_REQUEST} a request`, {
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
];

function interactionCases(): KernelCase[] {
  return INTERACTIONS.flatMap(([vectors, dim]) => {
    const x = { width: vectors * dim };
    const pairs = { width: (vectors * (vectors - 1)) / 2 };
    const shape = `${TILE_ROWS}x${vectors}x${dim}`;
    return [
      tileCase(shape, { kind: 'dotInteraction', inputs: [x], outputs: [pairs], attributes: { dim } }),
      tileCase(shape, { kind: 'dotInteraction.grad', inputs: [pairs, x], outputs: [x], attributes: { dim } }),
    ];
  });
}

/** Gates of groups of columns, one per embedding of the reference models. */
function gateCases(): KernelCase[] {
  return INTERACTIONS.flatMap(([groups, dim]) => {
    const shape = `${TILE_ROWS}x${groups}x${dim}`;
    const gates = { width: groups };
    const x = { width: groups * dim };
    const gate: Operand = { width: groups, domain: 'none' };
    const settings = { temperature: 0.5, low: -0.1, high: 1.1 };
    const drawn = { segment: 'none', outputs: [gate], attributes: { ...settings, maskOf: 0 } } as const;
    return [
      tileCase(shape, { kind: 'scaleGroups', inputs: [gates, x], outputs: [x] }),
      tileCase(shape, { kind: 'groupDot', inputs: [x, x], outputs: [gates], attributes: { groups } }),
      tileCase(`${groups}`, { kind: 'hardConcrete', ...drawn, inputs: [gate] }),
      tileCase(`${groups}`, { kind: 'hardConcrete.grad', ...drawn, inputs: [gate, gate] }),
      tileCase(`${groups}`, {
        kind: 'constant',
        segment: 'none',
        outputs: [gate],
        attributes: { values: Array.from({ length: groups }, (_, g) => g) },
      }),
    ];
  });
}

function lossCases(): KernelCase[] {
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
      tileCase(`${TILE_ROWS} ${kind}`, { kind: 'loss', inputs: [one], outputs: [one], tasks: [task(kind, 0)] }),
    ),
    tileCase(`${TILE_ROWS}`, {
      kind: 'pairwiseRank',
      inputs: [one],
      outputs: [one, one],
      attributes: { event: 1, condition: 0, nearMargin: 0.5, plainMargin: 1, surrogate: 'hinge', norm: 'mean' },
      tasks: [task('bce', 0), task('bce', 0)],
    }),
    tileCase(`${TILE_ROWS}`, { kind: 'pairwiseRank.grad', inputs: [one, one], outputs: [one] }),
    tileCase(`${TILE_ROWS}`, {
      kind: 'crossEntropy',
      inputs: [{ width: 3 }],
      outputs: [one, { width: 3 }],
      attributes: { events: [0, 1] },
      tasks: [task('bce', 0), task('bce', 0)],
    }),
    tileCase(`${TILE_ROWS} bce+mse+bce`, { ...three, tasks: [task('bce', 0), task('mse', 1), task('bce', 2)] }),
  ];
}

/** Operations of one tile. Lookups and updates: table-cases.ts. */
export function tileCases(): KernelCase[] {
  return [
    ...linearCases(),
    ...elementwiseCases(),
    ...reductionCases(),
    ...interactionCases(),
    ...gateCases(),
    ...lossCases(),
  ];
}
