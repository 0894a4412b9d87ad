/**
 * A float64 interpreter of plans. It works on the plan's memory as written (tiles, views, arenas), and fills what no
 * operation has written yet with NaN, so that a wrong memory plan shows up as a wrong number.
 */
import { type PairClass, type Pairs, pairwiseLoss } from '../../src/losses/pwiser.js';
import { LOSSES } from '../../src/losses/tasks.js';
import type { ArrayBatch } from '../../src/runtime/native.js';
import type { Plan, PlanOp, PlanSegment, PlanValue } from '../../src/runtime/plan.js';
import { dropoutFactors, gateNoise } from '../../src/runtime/tfjs/philox.js';
import { KERNELS } from './reference-kernels.js';
import { fill, get, list, number, present, range, set, type View } from './reference-views.js';

export { present } from './reference-views.js';

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

interface Tile {
  readonly first: number;
  readonly rows: number;
  readonly worker: Float64Array;
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
    else if (op.kind === 'crossEntropy') this.crossEntropy(op, x, y, tile);
    else if (op.kind.startsWith('hardConcrete')) this.hardConcrete(op, x, y);
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

  private crossEntropy(op: PlanOp, [logits]: readonly View[], [loss, slope]: readonly View[], tile: Tile): void {
    const z = present(logits);
    const events = list(op, 'events');
    range(tile.rows).forEach((r) => {
      const row = tile.first + r;
      const counts = events.every((task) => ((this.batch.taskMask?.[row] ?? 0) >>> task) % 2 === 1);
      const first = events.findIndex((task) => present(this.batch.targets?.[task]?.[row]) > 0.5);
      const label = first < 0 ? events.length : first;
      const total = range(z.width).reduce((sum, k) => sum + Math.exp(get(z, r, k)), 0);
      set(present(loss), r, 0, counts ? Math.log(total) - get(z, r, label) : 0);
      range(z.width).forEach((k) => {
        set(present(slope), r, k, counts ? Math.exp(get(z, r, k)) / total - (k === label ? 1 : 0) : 0);
      });
    });
  }

  private hardConcrete(op: PlanOp, x: readonly View[], y: readonly View[]): void {
    const logits = present(x.at(-1));
    const to = present(y[0]);
    const [temperature, low, high] = [number(op, 'temperature'), number(op, 'low'), number(op, 'high')];
    const operation = op.kind === 'hardConcrete' ? op.id : number(op, 'maskOf');
    const training = this.plan.tasks.length > 0;
    const noise = gateNoise({ ...this.options, operation }, to.width);
    fill(to, 1, (_, i) => {
      const logit = training ? (present(noise[i]) + get(logits, 0, i)) / temperature : get(logits, 0, i);
      const s = 1 / (1 + Math.exp(-logit));
      const stretched = s * (high - low) + low;
      if (op.kind === 'hardConcrete') return Math.min(Math.max(stretched, 0), 1);
      const slope = stretched > 0 && stretched < 1 ? ((high - low) * s * (1 - s)) / temperature : 0;
      return get(present(x[0]), 0, i) * slope;
    });
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
