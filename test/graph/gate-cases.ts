/** Cases of the operations that gates of fields and of connections are made of, and of labels of the whole chain. */
import {
  constant,
  crossEntropy,
  everyRow,
  type Graph,
  groupDot,
  hardConcrete,
  mul,
  parameter,
  scaleGroups,
  sigmoid,
  type Value,
  weightedSum,
} from '../../src/graph/index.js';
import type { OperationCase } from './cases.js';

const row = (graph: Graph, name: string, width: number): Value => graph.input(name, 'row', width);
const weights = (graph: Graph, name: string, shape: readonly number[]): Value =>
  parameter(graph, name, shape, { kind: 'normal', scale: 0.7 });

export const GATE_CASES: readonly OperationCase[] = [
  {
    name: 'scaleGroups by gates of the rows',
    kinds: ['scaleGroups', 'groupDot'],
    shape: [15],
    tolerance: 2e-5,
    build: (g) => scaleGroups(sigmoid(row(g, 'gates', 3)), row(g, 'x', 15)),
  },
  {
    name: 'scaleGroups by a parameter',
    kinds: ['scaleGroups', 'groupDot', 'sumRows'],
    shape: [12],
    tolerance: 2e-5,
    build: (g) => scaleGroups(weights(g, 'gates', [4]), row(g, 'x', 12)),
  },
  {
    name: 'groupDot with a parameter',
    kinds: ['groupDot', 'scaleGroups', 'sumRows'],
    shape: [3],
    tolerance: 2e-5,
    build: (g) => groupDot(row(g, 'x', 21), weights(g, 'w', [21]), 3),
  },
  ...(['stretched', 'plain'] as const).map(
    (kind): OperationCase => ({
      name: `hardConcrete, ${kind}`,
      kinds: ['hardConcrete', 'hardConcrete.grad'],
      shape: [13],
      tolerance: 2e-5,
      build: (g) => {
        const stretch = kind === 'stretched' ? { low: -0.1, high: 1.1 } : { low: 0, high: 1 };
        return mul(row(g, 'x', 13), hardConcrete(weights(g, 'logits', [13]), { temperature: 2 / 3, ...stretch }));
      },
    }),
  ),
  {
    name: 'constant beside a parameter, in every row',
    kinds: ['constant', 'zero', 'sumRows'],
    shape: [3],
    tolerance: 2e-5,
    build: (g) => everyRow(mul(weights(g, 'p', [3]), constant(g, [0.5, -2, 3]))),
  },
  {
    name: 'weightedSum by a parameter',
    kinds: ['weightedSum', 'weightedSum.grad', 'sumRows'],
    shape: [5],
    tolerance: 2e-5,
    build: (g) => weightedSum(weights(g, 'gates', [3]), row(g, 'experts', 15)),
  },
  {
    name: 'crossEntropy of nested events',
    kinds: ['crossEntropy', 'mul'],
    shape: [1],
    tolerance: 2e-5,
    losses: ['bce', 'bce'],
    build: (g) => crossEntropy(row(g, 'logits', 3), [1, 0]),
  },
];
