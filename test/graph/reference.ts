/**
 * A float64 interpreter of plans. It works on the plan's memory as written (tiles, views, arenas), and fills what no
 * operation has written yet with NaN, so that a wrong memory plan shows up as a wrong number.
 */
import { type PairClass, type Pairs, pairwiseLoss } from '../../src/losses/pwiser.js';
import { LOSSES } from '../../src/losses/tasks.js';
import type { ArrayBatch } from '../../src/runtime/native.js';
import type { Plan, PlanOp, PlanSegment, PlanValue } from '../../src/runtime/plan.js';
import { dropoutFactors } from '../../src/runtime/tfjs/philox.js';

/** A batch in float64: what float32 arrays are to the native program. */
export interface ReferenceBatch extends Omit<ArrayBatch, 'dense' | 'targets' | 'weight'> {
  readonly dense: readonly Float64Array[];
  readonly targets?: readonly Float64Array[];
  readonly weight?: Float64Array;
}

export interface ReferenceOptions {
  readonly seed: number;
  readonly step: number;
}

export interface ReferenceResult {
  readonly outputs: readonly Float64Array[];
  /** Σ_k λ_k L_k. */
  readonly loss: number;
  /** L_k per task. */
  readonly losses: readonly number[];
  /** dL/d(pooled) per sparse gradient of the plan, [domain rows, dim]. */
  readonly pooled: readonly Float64Array[];
}

interface View {
  readonly data: Float64Array;
  readonly start: number;
  readonly stride: number;
  readonly width: number;
}

interface Tile {
  readonly first: number;
  readonly rows: number;
  readonly worker: Float64Array;
}

export function present<T>(item: T | undefined, what = 'item'): T {
  if (item === undefined) throw new RangeError(`no such ${what}`);
  return item;
}

export function runReference(
  plan: Plan,
  parameters: ReadonlyMap<string, Float64Array>,
  batch: ReferenceBatch,
  options: ReferenceOptions,
): ReferenceResult {
  return new Interpreter(plan, parameters, batch, options).run();
}

class Interpreter {
  private readonly requests: number;
  private readonly none: Float64Array;
  private readonly accumulators: Float64Array;
  private readonly full = new Map<number, Float64Array>();
  private readonly losses: number[];
  private readonly scales: number[];

  constructor(
    private readonly plan: Plan,
    private readonly parameters: ReadonlyMap<string, Float64Array>,
    private readonly batch: ReferenceBatch,
    private readonly options: ReferenceOptions,
  ) {
    this.requests = (batch.requestOfRow?.at(-1) ?? -1) + 1;
    this.none = new Float64Array(plan.noneFloats).fill(Number.NaN);
    this.accumulators = new Float64Array(plan.accumulatorFloats);
    plan.values.forEach((value, id) => {
      if (value.storage === 'full' && value.root === id) {
        this.full.set(id, new Float64Array(this.rowsOf(value) * value.stride).fill(Number.NaN));
      }
    });
    this.losses = plan.tasks.map(() => 0);
    this.scales = plan.tasks.map((_, task) => {
      let sum = 0;
      for (let row = 0; row < batch.rows; row += 1) sum += this.weightOf(row, task);
      return sum > 0 ? 1 / sum : 0;
    });
  }

  run(): ReferenceResult {
    for (const segment of this.plan.segments) this.runSegment(segment);
    const losses = this.losses;
    return {
      outputs: this.plan.outputs.map(({ value }) => this.read(value)),
      loss: this.plan.tasks.reduce((sum, task, index) => sum + task.weight * present(losses[index]), 0),
      losses,
      pooled: this.plan.sparseGradients.map(({ value }) => this.read(value)),
    };
  }

  private runSegment(segment: PlanSegment): void {
    const rows = segment.domain === 'none' ? 1 : segment.domain === 'row' ? this.batch.rows : this.requests;
    const size = segment.domain === 'none' ? 1 : segment.phase === 'batch' ? rows : this.plan.tileRows;
    for (let first = 0; first < rows; first += size) {
      const worker = new Float64Array(this.plan.tileFloats * this.plan.tileRows).fill(Number.NaN);
      const tile = { first, rows: Math.min(size, rows - first), worker };
      for (const op of segment.ops) this.runOp(op, tile);
    }
  }

  private rowsOf(value: PlanValue): number {
    return value.domain === 'none' ? 1 : value.domain === 'row' ? this.batch.rows : this.requests;
  }

  private read(id: number): Float64Array {
    const value = present(this.plan.values[id]);
    const rows = this.rowsOf(value);
    const view = this.view(id, { first: 0, rows, worker: new Float64Array() });
    const out = new Float64Array(rows * view.width);
    for (let r = 0; r < rows; r += 1) {
      for (let c = 0; c < view.width; c += 1) out[r * view.width + c] = get(view, r, c);
    }
    return out;
  }

  private view(id: number, tile: Tile): View {
    const value = present(this.plan.values[id], 'value');
    const { column, width, offset, root } = value;
    const stride = value.domain === 'none' ? 0 : value.stride;
    switch (value.storage) {
      case 'tile':
        return { data: tile.worker, start: offset * this.plan.tileRows + column, stride, width };
      case 'full':
        return { data: present(this.full.get(root)), start: tile.first * stride + column, stride, width };
      case 'input':
        return { data: present(this.batch.dense[value.binding]), start: tile.first * stride + column, stride, width };
      case 'param': {
        const name = present(this.plan.parameters[value.binding]).name;
        return { data: present(this.parameters.get(name), name), start: column, stride, width };
      }
      case 'none':
        return { data: this.none, start: offset + column, stride, width };
      case 'grad':
        return { data: this.accumulators, start: offset + column, stride, width };
    }
  }

  private weightOf(row: number, task: number): number {
    const mask = this.batch.taskMask?.[row] ?? 0;
    return (mask >>> task) % 2 === 1 ? (this.batch.weight?.[row] ?? 1) : 0;
  }

  private runOp(op: PlanOp, tile: Tile): void {
    const x = op.inputs.map((id) => this.view(id, tile));
    const y = op.outputs.map((id) => this.view(id, tile));
    if (op.kind === 'loss') this.loss(x, y, tile);
    else if (op.kind === 'embedding') this.embedding(op, y, tile);
    else if (op.kind === 'pairwiseRank') this.pairwiseRank(op, x, y, tile);
    else if (op.kind === 'expand') this.expand(op, y, tile);
    else if (op.kind === 'expand.grad') this.expandGrad(op, y, tile);
    else if (op.kind === 'dropout' || op.kind === 'dropout.grad') this.dropout(op, x, y, tile);
    else present(KERNELS[op.kind], `kernel ${op.kind}`)(op, x, y, tile.rows);
  }

  private loss(x: readonly View[], y: readonly View[], tile: Tile): void {
    for (const view of y) fill(view, tile.rows, () => 0);
    this.plan.tasks.forEach((task, index) => {
      const logits = present(x[task.logits]);
      const gradient = present(y[task.logits]);
      const scale = present(this.scales[index]);
      const targets = this.batch.targets?.[index];
      for (let r = 0; r < tile.rows; r += 1) {
        const weight = this.weightOf(tile.first + r, index) * scale;
        if (weight === 0) continue;
        const target = present(targets?.[tile.first + r], 'target');
        const { loss, gradient: slope } = LOSSES[task.kind];
        this.losses[index] = present(this.losses[index]) + weight * loss(get(logits, r, 0), target, task.delta);
        const add = task.weight * weight * slope(get(logits, r, 0), target, task.delta);
        set(gradient, r, 0, get(gradient, r, 0) + add);
      }
    });
  }

  private pairwiseRank(op: PlanOp, [score]: readonly View[], [loss, slope]: readonly View[], tile: Tile): void {
    const rows = range(tile.rows);
    const label = (key: string, row: number): number =>
      this.weightOf(row, number(op, key)) === 0 ? Number.NaN : present(this.batch.targets?.[number(op, key)]?.[row]);
    const classes = rows.map((row): PairClass => {
      const [event, condition] = [label('event', row), label('condition', row)];
      if (Number.isNaN(event + condition)) return 'absent';
      return event > 0.5 ? 'event' : condition > 0.5 ? 'near' : 'plain';
    });
    const scores = rows.map((row) => get(present(score), row, 0));
    const weights = rows.map((row) => this.batch.weight?.[row] ?? 1);
    const options = op.attributes as unknown as Pairs;
    const result = pairwiseLoss(scores, classes, weights, options);
    fill(present(loss), tile.rows, () => result.loss);
    fill(present(slope), tile.rows, (row) => present(result.slopes[row]));
  }

  private embedding(op: PlanOp, y: readonly View[], tile: Tile): void {
    const pooling = list(op, 'pooling');
    list(op, 'idInputs').forEach((idInput, index) => {
      const bags = present(this.batch.ids?.[idInput]);
      const table = present(this.plan.tables[present(this.plan.idInputs[idInput]).table]);
      const weights = present(this.parameters.get(table.name), table.name);
      for (let r = 0; r < tile.rows; r += 1) {
        const row = tile.first + r;
        const from = bags.offsets?.[row] ?? row;
        const to = bags.offsets === undefined ? row + 1 : present(bags.offsets[row + 1]);
        const mean = pooling[index] === 1 && to > from ? to - from : 1;
        for (let c = 0; c < table.dim; c += 1) {
          let sum = 0;
          for (let e = from; e < to; e += 1) {
            sum += (bags.weights?.[e] ?? 1) * present(weights[present(bags.ids[e]) * table.dim + c]);
          }
          set(present(y[index]), r, c, sum / mean);
        }
      }
    });
  }

  private expand(op: PlanOp, y: readonly View[], tile: Tile): void {
    const from = this.view(present(op.inputs[0]), { ...tile, first: 0 });
    fill(present(y[0]), tile.rows, (r, c) => get(from, present(this.batch.requestOfRow?.[tile.first + r]), c));
  }

  private expandGrad(op: PlanOp, y: readonly View[], tile: Tile): void {
    const from = this.view(present(op.inputs[0]), { ...tile, first: 0 });
    const to = present(y[0]);
    fill(to, tile.rows, () => 0);
    this.batch.requestOfRow?.forEach((request, row) => {
      const r = request - tile.first;
      if (r < 0 || r >= tile.rows) return;
      for (let c = 0; c < to.width; c += 1) set(to, r, c, get(to, r, c) + get(from, row, c));
    });
  }

  private dropout(op: PlanOp, x: readonly View[], y: readonly View[], tile: Tile): void {
    const to = present(y[0]);
    const operation = op.kind === 'dropout' ? op.id : number(op, 'maskOf');
    const key = { ...this.options, operation, rate: number(op, 'rate') };
    const factors = dropoutFactors(key, tile.first + tile.rows, to.width);
    fill(to, tile.rows, (r, c) => get(present(x[0]), r, c) * present(factors[(tile.first + r) * to.width + c]));
  }
}

function get(view: View, row: number, column: number): number {
  return present(view.data[view.start + row * view.stride + column], 'element');
}

/** An operand that may be one number per row. */
function getBroadcast(view: View, row: number, column: number): number {
  return get(view, row, view.width === 1 ? 0 : column);
}

function set(view: View, row: number, column: number, value: number): void {
  view.data[view.start + row * view.stride + column] = value;
}

function fill(view: View, rows: number, value: (row: number, column: number) => number): void {
  for (let r = 0; r < rows; r += 1) for (let c = 0; c < view.width; c += 1) set(view, r, c, value(r, c));
}

function number(op: PlanOp, key: string): number {
  const value = op.attributes[key];
  if (typeof value !== 'number') throw new TypeError(`${op.kind} has no number ${key}`);
  return value;
}

function list(op: PlanOp, key: string): readonly number[] {
  const value = op.attributes[key];
  if (!Array.isArray(value)) throw new TypeError(`${op.kind} has no list ${key}`);
  return value;
}

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

type ReferenceKernel = (op: PlanOp, x: readonly View[], y: readonly View[], rows: number) => void;

function elementwise(f: (a: number, b: number) => number): ReferenceKernel {
  return (_op, [a, b], [c], rows) =>
    fill(present(c), rows, (r, i) => f(getBroadcast(present(a), r, i), getBroadcast(present(b), r, i)));
}

function range(length: number): number[] {
  return Array.from({ length }, (_, index) => index);
}

function sum(length: number, term: (index: number) => number): number {
  let total = 0;
  for (let index = 0; index < length; index += 1) total += term(index);
  return total;
}

const doNothing: ReferenceKernel = () => {};
const copy: ReferenceKernel = (_op, [x], [y], rows) => fill(present(y), rows, (r, c) => get(present(x), r, c));

const KERNELS: Record<string, ReferenceKernel> = {
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
  zero: (_op, _x, [y], rows) => fill(present(y), rows, () => 0),
  concat: doNothing,
  slice: doNothing,
  stopGradient: doNothing,
};

/** (1,0), (2,0), (2,1), (3,0), … */
function pairsOf(vectors: number): (readonly [number, number])[] {
  return range(vectors).flatMap((i) => range(i).map((j) => [i, j] as const));
}
