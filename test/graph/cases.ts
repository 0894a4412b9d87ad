/** One case or more per operation: a graph around it, and how closely float32 must match the float64 reference. */
import {
  abs,
  add,
  affine,
  concat,
  crossNetwork,
  div,
  dotInteraction,
  dropout,
  embedding,
  exp,
  expand,
  type Graph,
  linear,
  linearWith,
  log,
  logSumExp,
  mul,
  neg,
  pairwiseRank,
  parameter,
  relu,
  rowDot,
  rowSum,
  sigmoid,
  slice,
  softmax,
  softplus,
  sqrt,
  square,
  stopGradient,
  sub,
  tanh,
  type Value,
  weightedSum,
} from '../../src/graph/index.js';
import type { LossKind } from '../../src/runtime/plan.js';
import { GATE_CASES } from './gate-cases.js';

export interface OperationCase {
  readonly name: string;
  /** Operations of the table that this case is about. */
  readonly kinds: readonly string[];
  /** Shape of the result, without rows. */
  readonly shape: readonly number[];
  /** Largest |float32 − float64| relative to max(1, |float64|). */
  readonly tolerance: number;
  readonly losses?: readonly LossKind[];
  /** Inputs that are logarithms' and roots' must be positive. */
  readonly positive?: boolean;
  build(graph: Graph): Value;
}

const row = (graph: Graph, name: string, width: number): Value => graph.input(name, 'row', width);
const request = (graph: Graph, name: string, width: number): Value => graph.input(name, 'request', width);
const weights = (graph: Graph, name: string, shape: readonly number[]): Value =>
  parameter(graph, name, shape, { kind: 'normal', scale: 0.7 });

function lookup(
  graph: Graph,
  name: string,
  options: { rows: number; dim: number; multi?: boolean; weighted?: boolean; mean?: boolean },
): Value {
  return embedding(graph, name, {
    table: { name: `${options.rows}x${options.dim}`, rows: options.rows, dim: options.dim },
    domain: 'row',
    multi: options.multi,
    weighted: options.weighted,
    pooling: options.mean ? 'mean' : 'sum',
  });
}

const unaryCase = (name: string, f: (x: Value) => Value, positive = false): OperationCase => ({
  name: `unary ${name}`,
  kinds: ['unary', 'unary.grad'],
  shape: [13],
  tolerance: 1e-5,
  positive,
  build: (graph) => f(row(graph, 'x', 13)),
});

const activationCase = (name: string, f: (x: Value) => Value): OperationCase => ({
  name: `activation ${name}`,
  kinds: ['activation', 'activation.grad'],
  shape: [19],
  tolerance: 1e-5,
  build: (graph) => f(row(graph, 'x', 19)),
});

const elementwiseCases = (['add', 'sub', 'mul', 'div'] as const).flatMap((kind): OperationCase[] => {
  const f = { add, sub, mul, div }[kind];
  const positive = kind === 'div';
  const of = (name: string, shape: number[], build: (graph: Graph) => Value, extra: string[] = []): OperationCase => ({
    name: `${kind} ${name}`,
    kinds: [kind, ...extra],
    shape,
    tolerance: 2e-5,
    positive,
    build,
  });
  return [
    of('same width', [11], (g) => f(row(g, 'a', 11), row(g, 'b', 11))),
    of('scalar per row on the right', [11], (g) => f(row(g, 'a', 11), row(g, 'b', 1)), [
      kind === 'mul' ? 'rowDot' : 'rowSum',
    ]),
    of('scalar per row on the left', [11], (g) => f(row(g, 'a', 1), row(g, 'b', 11))),
    of('none on the right', [11], (g) => f(row(g, 'a', 11), weights(g, 'p', [11])), ['sumRows']),
    of('scalar none on the left', [11], (g) => f(weights(g, 'p', [1]), row(g, 'b', 11)), ['sumRows']),
    of('wide none against a scalar per row', [5], (g) => f(weights(g, 'p', [5]), row(g, 'b', 1))),
    of('none and none', [6], (g) => f(weights(g, 'p', [6]), weights(g, 'q', [1])), ['addInto']),
    of('with itself', [4], (g) => {
      const x = row(g, 'a', 4);
      return f(x, x);
    }),
  ];
});

export const CASES: readonly OperationCase[] = [
  {
    name: 'embedding single ids',
    kinds: ['embedding'],
    shape: [5],
    tolerance: 1e-6,
    build: (g) => lookup(g, 'id', { rows: 23, dim: 5 }),
  },
  {
    name: 'embedding bags, a shared table, weights, means',
    kinds: ['embedding', 'concat'],
    shape: [26],
    tolerance: 1e-5,
    build: (g) =>
      concat([
        lookup(g, 'single', { rows: 29, dim: 8 }),
        lookup(g, 'sum', { rows: 29, dim: 8, multi: true }),
        lookup(g, 'weighted', { rows: 7, dim: 3, multi: true, weighted: true }),
        lookup(g, 'mean', { rows: 7, dim: 3, multi: true, mean: true }),
        lookup(g, 'weighted_mean', { rows: 11, dim: 4, multi: true, weighted: true, mean: true }),
      ]),
  },
  {
    name: 'linear',
    kinds: ['linear', 'linear.dx', 'linear.dw'],
    shape: [17],
    tolerance: 3e-5,
    build: (g) => linear(row(g, 'x', 13), 'layer', { out: 17 }),
  },
  {
    name: 'linear one output, no bias',
    kinds: ['linear', 'linear.dx', 'linear.dw'],
    shape: [1],
    tolerance: 3e-5,
    build: (g) => linear(row(g, 'x', 33), 'layer', { out: 1, bias: false }),
  },
  ...(['relu', 'sigmoid', 'tanh'] as const).map(
    (activation): OperationCase => ({
      name: `linear with ${activation}`,
      kinds: ['linear', 'linear.dx', 'linear.dw', 'activation.grad'],
      shape: [9],
      tolerance: 3e-5,
      build: (g) => linear(row(g, 'x', 20), 'layer', { out: 9, activation }),
    }),
  ),
  ...[9, 1].map(
    (out): OperationCase => ({
      name: `linear on a ReLU, ${out} wide`,
      kinds: ['linear', 'linear.dx', 'linear.dw'],
      shape: [out],
      tolerance: 3e-5,
      build: (g) => linear(linear(row(g, 'x', 20), 'first', { out: 33, activation: 'relu' }), 'layer', { out }),
    }),
  ),
  {
    name: 'linear with a bias added afterwards',
    kinds: ['linear'],
    shape: [7],
    tolerance: 3e-5,
    build: (g) => add(linearWith(row(g, 'x', 5), weights(g, 'w', [7, 5]), undefined), weights(g, 'b', [7])),
  },
  {
    name: 'linear of a parameter',
    kinds: ['linear', 'linear.dx', 'linear.dw'],
    shape: [4],
    tolerance: 3e-5,
    build: (g) => linear(weights(g, 'z', [6]), 'layer', { out: 4, activation: 'tanh' }),
  },
  {
    name: 'linear used twice',
    kinds: ['linear.dw'],
    shape: [3],
    tolerance: 3e-5,
    build: (g) => {
      const w = weights(g, 'w', [3, 3]);
      const b = weights(g, 'b', [3]);
      return linearWith(tanh(linearWith(row(g, 'x', 3), w, b)), w, b);
    },
  },
  activationCase('relu', (x) => relu(x)),
  activationCase('sigmoid', (x) => sigmoid(x)),
  activationCase('tanh', (x) => tanh(x)),
  ...elementwiseCases,
  {
    name: 'affine',
    kinds: ['affine'],
    shape: [5],
    tolerance: 1e-5,
    build: (g) => affine(row(g, 'x', 5), -1.5, 0.25),
  },
  unaryCase('exp', exp),
  unaryCase('log', log, true),
  unaryCase('softplus', softplus),
  unaryCase('square', square),
  unaryCase('sqrt', sqrt, true),
  unaryCase('abs', abs),
  unaryCase('neg', neg),
  {
    name: 'softmax',
    kinds: ['softmax', 'softmax.grad'],
    shape: [7],
    tolerance: 1e-5,
    build: (g) => softmax(row(g, 'x', 7)),
  },
  {
    name: 'softmax in groups',
    kinds: ['softmax', 'softmax.grad'],
    shape: [15],
    tolerance: 1e-5,
    build: (g) => softmax(row(g, 'x', 15), { group: 5 }),
  },
  {
    name: 'softmax of a parameter as gates of rows',
    kinds: ['softmax', 'softmax.grad', 'sumRows'],
    shape: [4],
    tolerance: 2e-5,
    build: (g) => mul(softmax(weights(g, 'z', [4])), row(g, 'x', 4)),
  },
  {
    name: 'logSumExp',
    kinds: ['logSumExp', 'softmax'],
    shape: [1],
    tolerance: 1e-5,
    build: (g) => logSumExp(row(g, 'x', 19)),
  },
  {
    name: 'logSumExp of three, far apart',
    kinds: ['logSumExp'],
    shape: [1],
    tolerance: 1e-5,
    build: (g) => logSumExp(affine(row(g, 'x', 3), 60, 0)),
  },
  {
    name: 'weightedSum',
    kinds: ['weightedSum', 'weightedSum.grad'],
    shape: [5],
    tolerance: 2e-5,
    build: (g) => weightedSum(softmax(row(g, 'gates', 3)), row(g, 'experts', 15)),
  },
  ...GATE_CASES,
  {
    name: 'dotInteraction',
    kinds: ['dotInteraction', 'dotInteraction.grad'],
    shape: [6],
    tolerance: 2e-5,
    build: (g) => dotInteraction(row(g, 'x', 12), 3),
  },
  {
    name: 'dotInteraction in place beside its vectors',
    kinds: ['dotInteraction', 'dotInteraction.grad', 'concat', 'slice'],
    shape: [21],
    tolerance: 3e-5,
    build: (g) => {
      const vectors = concat([
        linear(row(g, 'x', 6), 'bottom', { out: 5, activation: 'relu' }),
        lookup(g, 'single', { rows: 9, dim: 5 }),
        lookup(g, 'bag', { rows: 9, dim: 5, multi: true }),
      ]);
      return linear(concat([vectors, dotInteraction(vectors, 5)]), 'top', { out: 21 });
    },
  },
  {
    name: 'a cross network',
    kinds: ['linear', 'linear.dx', 'linear.dw', 'mul', 'add'],
    shape: [13],
    tolerance: 3e-5,
    build: (g) => crossNetwork(row(g, 'x', 13), 'cross', { layers: 2, rank: 5 }),
  },
  {
    name: 'rowDot',
    kinds: ['rowDot'],
    shape: [1],
    tolerance: 2e-5,
    build: (g) => rowDot(row(g, 'a', 21), row(g, 'b', 21)),
  },
  { name: 'rowSum', kinds: ['rowSum', 'zero'], shape: [1], tolerance: 2e-5, build: (g) => rowSum(row(g, 'x', 21)) },
  {
    name: 'dropout',
    kinds: ['dropout', 'dropout.grad'],
    shape: [11],
    tolerance: 1e-5,
    build: (g) => dropout(mul(row(g, 'x', 11), weights(g, 'p', [11])), 0.4),
  },
  {
    name: 'slices with gaps and overlaps',
    kinds: ['slice', 'zero', 'concat', 'copy'],
    shape: [9],
    tolerance: 1e-5,
    build: (g) => {
      const x = affine(row(g, 'x', 10), 2, 0);
      return concat([slice(x, 1, 3), slice(x, 2, 4), slice(x, 8, 2)]);
    },
  },
  {
    name: 'slice of a parameter',
    kinds: ['slice', 'addInto'],
    shape: [3],
    tolerance: 2e-5,
    build: (g) => mul(row(g, 'x', 3), slice(weights(g, 'p', [5]), 1, 3)),
  },
  {
    name: 'concat of what cannot be placed',
    kinds: ['concat', 'copy'],
    shape: [20],
    tolerance: 1e-5,
    build: (g) => {
      const x = row(g, 'x', 4);
      const y = tanh(x);
      const inner = concat([x, y]);
      return concat([inner, y, y, square(x)]);
    },
  },
  {
    name: 'stopGradient',
    kinds: ['stopGradient'],
    shape: [6],
    tolerance: 1e-5,
    build: (g) => mul(row(g, 'a', 6), stopGradient(tanh(weights(g, 'p', [6])))),
  },
  ...(['hinge', 'squaredHinge'] as const).flatMap((surrogate) =>
    (['mean', 'sum'] as const).map(
      (norm): OperationCase => ({
        name: `pairwiseRank ${surrogate}, ${norm}`,
        kinds: ['pairwiseRank', 'pairwiseRank.grad'],
        shape: [1],
        // Sums over pairs: thousands of them in the larger batch.
        tolerance: 3e-5,
        losses: ['bce', 'bce'],
        build: (g) => {
          const score = tanh(linear(row(g, 'x', 3), 'score', { out: 1 }));
          const pairs = { nearMargin: 0.3, plainMargin: 0.7, surrogate, norm };
          const loss = pairwiseRank(score, { event: 1, condition: 0, ...pairs });
          return norm === 'sum' ? affine(loss, 1e-3, 0) : loss;
        },
      }),
    ),
  ),
  {
    name: 'expand',
    kinds: ['expand', 'expand.grad'],
    shape: [5],
    tolerance: 2e-5,
    build: (g) => mul(expand(linear(request(g, 'u', 7), 'user', { out: 5, activation: 'tanh' })), row(g, 'a', 5)),
  },
  ...(['bce', 'mse', 'huber', 'pseudo-huber', 'log-cosh', 'mean'] as const).map(
    (kind): OperationCase => ({
      name: `loss ${kind}`,
      kinds: ['loss'],
      shape: [1],
      tolerance: 1e-5,
      losses: [kind, kind, 'bce'],
      build: (g) => affine(row(g, 'x', 1), 1.5, 0.1),
    }),
  ),
];
