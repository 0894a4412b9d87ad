/** The float64 kernels of operations that look at their operands alone. */
import type { PlanOp } from '../../src/runtime/plan.js';
import { fill, get, getBroadcast, list, number, present, range, set, sum, type View } from './reference-views.js';

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const ACTIVATIONS: Record<string, (x: number) => number> = {
  none: (x) => x,
  relu: (x) => Math.max(x, 0),
  sigmoid,
  tanh: Math.tanh,
};
const ACTIVATION_SLOPES: Record<string, (y: number) => number> = {
  relu: (y) => (y > 0 ? 1 : 0),
  sigmoid: (y) => y * (1 - y),
  tanh: (y) => 1 - y * y,
};
const UNARY: Record<string, readonly [(x: number) => number, (x: number, y: number) => number]> = {
  exp: [Math.exp, (_, y) => y],
  log: [Math.log, (x) => 1 / x],
  softplus: [(x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), sigmoid],
  square: [(x) => x * x, (x) => 2 * x],
  sqrt: [Math.sqrt, (_, y) => 0.5 / y],
  abs: [Math.abs, (x) => Math.sign(x)],
  neg: [(x) => -x, () => -1],
};

export type ReferenceKernel = (op: PlanOp, x: readonly View[], y: readonly View[], rows: number) => void;

function elementwise(f: (a: number, b: number) => number): ReferenceKernel {
  return (_op, [a, b], [c], rows) =>
    fill(present(c), rows, (r, i) => f(getBroadcast(present(a), r, i), getBroadcast(present(b), r, i)));
}

const doNothing: ReferenceKernel = () => {};
const copy: ReferenceKernel = (_op, [x], [y], rows) => fill(present(y), rows, (r, c) => get(present(x), r, c));

export const KERNELS: Record<string, ReferenceKernel> = {
  linear: (op, [x, w, b], [y], rows) => {
    const f = present(ACTIVATIONS[String(op.attributes.activation)]);
    const [from, weight] = [present(x), present(w)];
    fill(present(y), rows, (r, o) =>
      f(sum(from.width, (i) => get(from, r, i) * get(weight, 0, o * from.width + i)) + (b ? get(b, 0, o) : 0)),
    );
  },
  'linear.dx': (_op, [dPre, w, gate], [dX], rows) => {
    const [g, to] = [present(dPre), present(dX)];
    fill(to, rows, (r, i) =>
      gate === undefined || get(gate, r, i) > 0
        ? sum(g.width, (o) => get(g, r, o) * get(present(w), 0, o * to.width + i))
        : 0,
    );
  },
  'linear.dw': (_op, [dPre, x], [dW, db], rows) => {
    const [g, from, weight] = [present(dPre), present(x), present(dW)];
    fill(weight, 1, (_, e) => {
      const [o, i] = [Math.floor(e / from.width), e % from.width];
      return get(weight, 0, e) + sum(rows, (r) => get(g, r, o) * get(from, r, i));
    });
    if (db) fill(db, 1, (_, o) => get(db, 0, o) + sum(rows, (r) => get(g, r, o)));
  },
  activation: (op, [x], [y], rows) => {
    const f = present(ACTIVATIONS[String(op.attributes.activation)]);
    fill(present(y), rows, (r, c) => f(get(present(x), r, c)));
  },
  'activation.grad': (op, [dY, y], [dX], rows) => {
    const slope = present(ACTIVATION_SLOPES[String(op.attributes.activation)]);
    fill(present(dX), rows, (r, c) => get(present(dY), r, c) * slope(get(present(y), r, c)));
  },
  add: elementwise((a, b) => a + b),
  sub: elementwise((a, b) => a - b),
  mul: elementwise((a, b) => a * b),
  div: elementwise((a, b) => a / b),
  affine: (op, [x], [y], rows) =>
    fill(present(y), rows, (r, c) => number(op, 'scale') * get(present(x), r, c) + number(op, 'shift')),
  unary: (op, [x], [y], rows) => {
    const [f] = present(UNARY[String(op.attributes.function)]);
    fill(present(y), rows, (r, c) => f(get(present(x), r, c)));
  },
  'unary.grad': (op, [dY, x, y], [dX], rows) => {
    const [, slope] = present(UNARY[String(op.attributes.function)]);
    fill(present(dX), rows, (r, c) => get(present(dY), r, c) * slope(get(present(x), r, c), get(present(y), r, c)));
  },
  softmax: (op, [x], [y], rows) => {
    const group = number(op, 'group');
    fill(present(y), rows, (r, c) => {
      const first = c - (c % group);
      const logits = range(group).map((i) => get(present(x), r, first + i));
      const top = Math.max(...logits);
      return Math.exp(present(logits[c - first]) - top) / sum(group, (i) => Math.exp(present(logits[i]) - top));
    });
  },
  'softmax.grad': (op, [dY, y], [dX], rows) => {
    const group = number(op, 'group');
    const [g, p] = [present(dY), present(y)];
    fill(present(dX), rows, (r, c) => {
      const first = c - (c % group);
      return get(p, r, c) * (get(g, r, c) - sum(group, (i) => get(g, r, first + i) * get(p, r, first + i)));
    });
  },
  logSumExp: (_op, [x], [y], rows) => {
    const from = present(x);
    fill(present(y), rows, (r) => {
      const logits = range(from.width).map((i) => get(from, r, i));
      const top = Math.max(...logits);
      return top + Math.log(logits.reduce((total, logit) => total + Math.exp(logit - top), 0));
    });
  },
  weightedSum: (op, [gates, experts], [y], rows) => {
    const to = present(y);
    fill(to, rows, (r, c) =>
      sum(number(op, 'experts'), (e) => get(present(gates), r, e) * get(present(experts), r, e * to.width + c)),
    );
  },
  'weightedSum.grad': (_op, [dY, gates, experts], [dGates, dExperts], rows) => {
    const g = present(dY);
    fill(present(dGates), rows, (r, e) =>
      sum(g.width, (c) => get(g, r, c) * get(present(experts), r, e * g.width + c)),
    );
    fill(present(dExperts), rows, (r, i) => get(present(gates), r, Math.floor(i / g.width)) * get(g, r, i % g.width));
  },
  scaleGroups: (_op, [gates, x], [y], rows) => {
    const [scale, from] = [present(gates), present(x)];
    const dim = from.width / scale.width;
    fill(present(y), rows, (r, c) => get(scale, r, Math.floor(c / dim)) * get(from, r, c));
  },
  groupDot: (_op, [a, b], [y], rows) => {
    const [left, right, to] = [present(a), present(b), present(y)];
    const dim = left.width / to.width;
    fill(to, rows, (r, g) => sum(dim, (c) => get(left, r, g * dim + c) * get(right, r, g * dim + c)));
  },
  dotInteraction: (op, [x], [y], rows) => {
    const dim = number(op, 'dim');
    const from = present(x);
    const pairs = pairsOf(from.width / dim);
    fill(present(y), rows, (r, p) => {
      const [i, j] = present(pairs[p]);
      return sum(dim, (c) => get(from, r, i * dim + c) * get(from, r, j * dim + c));
    });
  },
  'dotInteraction.grad': (op, [dY, x], [dX], rows) => {
    const dim = number(op, 'dim');
    const [g, from, to] = [present(dY), present(x), present(dX)];
    const pairs = pairsOf(from.width / dim);
    for (let r = 0; r < rows; r += 1) {
      if (number(op, 'accumulate') === 0) for (let c = 0; c < to.width; c += 1) set(to, r, c, 0);
      pairs.forEach(([i, j], p) => {
        for (let c = 0; c < dim; c += 1) {
          const [a, b] = [i * dim + c, j * dim + c];
          set(to, r, a, get(to, r, a) + get(g, r, p) * get(from, r, b));
          set(to, r, b, get(to, r, b) + get(g, r, p) * get(from, r, a));
        }
      });
    }
  },
  rowDot: (_op, [a, b], [y], rows) => {
    const [left, right] = [present(a), present(b)];
    fill(present(y), rows, (r) => sum(left.width, (c) => get(left, r, c) * get(right, r, c)));
  },
  rowSum: (_op, [x], [y], rows) => fill(present(y), rows, (r) => sum(present(x).width, (c) => get(present(x), r, c))),
  sumRows: (op, [x], [y], rows) => {
    const [from, to] = [present(x), present(y)];
    const width = number(op, 'scalar') === 1 ? from.width : 1;
    fill(to, 1, (_, c) => get(to, 0, c) + sum(rows, (r) => sum(width, (i) => get(from, r, c + i))));
  },
  copy,
  'pairwiseRank.grad': (_op, [dLoss, slope], [dScore], rows) => {
    const total = sum(rows, (r) => get(present(dLoss), r, 0));
    fill(present(dScore), rows, (r) => total * get(present(slope), r, 0));
  },
  addInto: (_op, [x], [y], rows) => fill(present(y), rows, (r, c) => get(present(y), r, c) + get(present(x), r, c)),
  constant: (op, _x, [y]) => fill(present(y), 1, (_, i) => present(list(op, 'values')[i])),
  zero: (_op, _x, [y], rows) => fill(present(y), rows, () => 0),
  concat: doNothing,
  slice: doNothing,
  stopGradient: doNothing,
};

/** (1,0), (2,0), (2,1), (3,0), … */
function pairsOf(vectors: number): (readonly [number, number])[] {
  return range(vectors).flatMap((i) => range(i).map((j) => [i, j] as const));
}
