/**
 * Plans on TensorFlow.js: the forward operations of the same plan, differentiated by TensorFlow instead of by us. It is
 * the independent reference of the native program, and a fallback where only TensorFlow has a device.
 *
 * The gradient of a lookup is as large as its table and weights travel to the device every step: for small tables.
 */
import type { Tensor, Variable } from '@tensorflow/tfjs';
import { PrerankError } from '../base/errors.js';
import {
  type ArrayBatch,
  type DenseOptimizerSettings,
  type ParameterSpec,
  type SparseOptimizerSettings,
  TASK_STATS,
} from './native.js';
import type { Plan, PlanTask } from './plan.js';
import { computed, forward } from './tfjs/forward.js';
import { loadTfjs, type Tf } from './tfjs/load.js';
import { columnOf, lossOf, meanLoss, prediction, rowLoss, type TaskRows, taskRows } from './tfjs/losses.js';
import { makeSlots, type Slots, updateDense, updateRows } from './tfjs/optimizers.js';

export interface TfjsSettings {
  readonly sparse: SparseOptimizerSettings;
  readonly dense: DenseOptimizerSettings;
  readonly seed: number;
  /** Global norm of the gradients in scope; 0 or absent: off. */
  readonly clipNorm?: number;
  /** Default dense. */
  readonly clipScope?: 'dense' | 'all';
  /** Where the parameters start, e.g. a native parameter store or the tensors of a checkpoint. */
  readonly weights: { read(name: string): Float32Array };
}

export interface TfjsStepOptions {
  readonly step: number;
  readonly denseLr: number;
  readonly sparseLr: number;
  readonly update: boolean;
}

/** Keeps the norm of zero gradients from dividing by zero. */
const CLIP_EPSILON = 1e-6;

/** What the tasks' loss needs of one step, as arrays. */
interface TaskResult {
  readonly losses: Float32Array;
  readonly predictions: Float32Array;
}

export class TfjsProgram {
  private readonly variables = new Map<string, Variable>();
  private readonly slots = new Map<string, Slots>();
  private readonly trained: ReadonlySet<string>;
  private outputs: Float32Array[] = [];
  private lastGradients: ReadonlyMap<string, Float32Array> = new Map();

  private constructor(
    private readonly tf: Tf,
    /** Package of TensorFlow.js that runs this. */
    readonly packageName: string,
    private readonly plan: Plan,
    private readonly specs: readonly ParameterSpec[],
    private readonly settings: TfjsSettings,
  ) {
    const tables = plan.sparseGradients.map(({ idInput }) => plan.tables[plan.idInputs[idInput]?.table ?? -1]?.name);
    const dense = plan.parameters.filter(({ grad }) => grad >= 0).map(({ name }) => name);
    this.trained = new Set([...tables.filter((name) => name !== undefined), ...dense]);
    for (const { name, shape, table } of specs) {
      const initial = tf.tensor(settings.weights.read(name), [...shape]);
      this.variables.set(name, tf.variable(initial, this.trained.has(name)));
      initial.dispose();
      const optimizer = table ? settings.sparse : settings.dense;
      if (this.trained.has(name)) this.slots.set(name, makeSlots(optimizer.kind, optimizer, shape));
    }
  }

  static async create(plan: Plan, parameters: readonly ParameterSpec[], settings: TfjsSettings): Promise<TfjsProgram> {
    if (plan.balancing !== undefined && plan.balancing.kind !== 'fixed') {
      throw new PrerankError('UNSUPPORTED', `TensorFlow.js does not weigh tasks by ${plan.balancing.kind}`);
    }
    const { tf, name } = await loadTfjs();
    return new TfjsProgram(tf, name, plan, parameters, settings);
  }

  /** Outputs of a forward pass, [rows, width] each. */
  async predict(batch: ArrayBatch): Promise<Float32Array[]> {
    const tensors = this.tf.tidy(() => this.forwardOutputs(this.run(batch, 0, false)));
    this.outputs = await download(tensors);
    return this.outputs;
  }

  /** One training step; statistics [tasks, TASK_STATS.length]. A non-finite loss changes no parameter. */
  async step(batch: ArrayBatch, options: TfjsStepOptions): Promise<Float64Array> {
    const { tf, plan } = this;
    const loss = lossOf(plan);
    const rows = plan.tasks.map((_, task) => taskRows(batch, task));
    const trained = this.specs.filter(({ name }) => this.trained.has(name));
    const kept: { outputs: Tensor[]; tasks: Tensor[] } = { outputs: [], tasks: [] };
    const { value, grads } = tf.variableGrads(
      () => {
        const values = this.run(batch, options.step, true);
        kept.outputs = this.forwardOutputs(values).map((tensor) => tf.keep(tensor.clone()));
        const totals = plan.tasks.map((task, index) => {
          const logits = computed(values, loss.inputs[task.logits] ?? -1, loss);
          const { total, tensors } = this.taskLoss(task, logits, rows[index] ?? taskRows(batch, index));
          kept.tasks.push(...tensors.map((tensor) => tf.keep(tensor.clone())));
          return total;
        });
        return tf.addN(totals).asScalar();
      },
      trained.map(({ name }) => this.variable(name)),
    );
    value.dispose();
    this.outputs = await download(kept.outputs);
    const perTask = await download(kept.tasks);
    const gradients = await download(trained.map(({ name }) => gradientFor(tf, grads, this.variable(name))));
    this.lastGradients = new Map(trained.map(({ name }, index) => [name, gradients[index] ?? new Float32Array()]));
    const stats = statistics(plan.tasks, rows, perTask);
    if (options.update) {
      refuseNonFinite(plan.tasks, stats);
      this.update(batch, options);
    }
    return stats;
  }

  /** An output of the last step or prediction; gradients that the plan names as outputs are read with `gradient`. */
  readOutput(index: number): Float32Array {
    const output = this.outputs[index];
    if (output === undefined) throw new PrerankError('OUT_OF_RANGE', `no output ${index} of ${this.outputs.length}`);
    return output;
  }

  /** dL/d(parameter) of the last step, in the parameter's shape. */
  gradient(name: string): Float32Array {
    const gradient = this.lastGradients.get(name);
    if (gradient === undefined) {
      throw new PrerankError('NOT_FOUND', `no gradient of "${name}"; take a step of a plan that trains it first`);
    }
    return gradient;
  }

  /** A copy of a parameter. */
  read(name: string): Float32Array {
    return Float32Array.from(this.variable(name).dataSync());
  }

  /** Frees the memory on TensorFlow's device. */
  dispose(): void {
    for (const variable of this.variables.values()) variable.dispose();
    this.variables.clear();
  }

  private variable(name: string): Variable {
    const variable = this.variables.get(name);
    if (variable === undefined) throw new PrerankError('NOT_FOUND', `the program holds no parameter "${name}"`);
    return variable;
  }

  private run(batch: ArrayBatch, step: number, training: boolean): ReadonlyMap<number, Tensor> {
    const { tf, plan, variables: weights } = this;
    return forward({ tf, plan, batch, weights, training, seed: this.settings.seed, step });
  }

  /** Outputs that are forward values; a gradient among them is empty. */
  private forwardOutputs(values: ReadonlyMap<number, Tensor>): Tensor[] {
    return this.plan.outputs.map(({ value }) => values.get(value) ?? this.tf.tensor1d([]));
  }

  private taskLoss(task: PlanTask, logits: Tensor, rows: TaskRows): { total: Tensor; tensors: [Tensor, Tensor] } {
    const { tf } = this;
    const losses = rowLoss(tf, task, logits, columnOf(tf, rows.targets));
    const mean = meanLoss(tf, losses, rows);
    return { total: tf.mul(mean, task.weight), tensors: [losses, prediction(tf, task.kind, logits)] };
  }

  /** The factor of clipping, as torch.nn.utils.clip_grad_norm_. */
  private clipScale(): number {
    const { clipNorm = 0, clipScope = 'dense' } = this.settings;
    if (clipNorm <= 0) return 1;
    let squares = 0;
    for (const { name, table } of this.specs) {
      if (table && clipScope === 'dense') continue;
      for (const value of this.lastGradients.get(name) ?? []) squares += value * value;
    }
    return Math.min(1, clipNorm / (Math.sqrt(squares) + CLIP_EPSILON));
  }

  private update(batch: ArrayBatch, { step, denseLr, sparseLr }: TfjsStepOptions): void {
    const scale = this.clipScale();
    const tableScale = this.settings.clipScope === 'all' ? scale : 1;
    for (const { name, shape, table } of this.specs) {
      const unclipped = this.lastGradients.get(name);
      if (unclipped === undefined) continue;
      const gradient = unclipped.map((value) => value * (table ? tableScale : scale));
      const weights = this.read(name);
      const slots = this.slots.get(name) ?? {};
      if (table) {
        const rows = touchedRows(this.plan, batch, name);
        updateRows(this.settings.sparse, { step, lr: sparseLr }, weights, gradient, slots, shape[1] ?? 1, rows);
      } else {
        updateDense(this.settings.dense, { step, lr: denseLr }, weights, gradient, slots);
      }
      this.assign(name, weights, shape);
    }
  }

  private assign(name: string, weights: Float32Array, shape: readonly number[]): void {
    const tensor = this.tf.tensor(weights, [...shape]);
    this.variable(name).assign(tensor);
    tensor.dispose();
  }
}

async function download(tensors: readonly Tensor[]): Promise<Float32Array[]> {
  const arrays = await Promise.all(tensors.map(async (tensor) => Float32Array.from(await tensor.data())));
  for (const tensor of tensors) tensor.dispose();
  return arrays;
}

/** Zero for a table that no id of the batch looks up. */
function gradientFor(tf: Tf, grads: Readonly<Record<string, Tensor | null>>, variable: Variable): Tensor {
  return grads[variable.name] ?? tf.zerosLike(variable);
}

/** `perTask`: losses and predictions of every row, task after task. */
function statistics(
  tasks: readonly PlanTask[],
  rows: readonly TaskRows[],
  perTask: readonly Float32Array[],
): Float64Array {
  const stats = new Float64Array(tasks.length * TASK_STATS.length);
  rows.forEach(({ weights, targets }, task) => {
    const result: TaskResult = {
      losses: perTask[2 * task] ?? new Float32Array(),
      predictions: perTask[2 * task + 1] ?? new Float32Array(),
    };
    const {
      loss,
      weight,
      count,
      prediction: mean,
      target,
      targetSq,
      nonfinite,
      firstRow,
    } = sums(weights, targets, result);
    stats.set([loss, weight, count, mean, target, targetSq, nonfinite, firstRow], task * TASK_STATS.length);
  });
  return stats;
}

function sums(
  weights: Float32Array,
  targets: Float32Array,
  { losses, predictions }: TaskResult,
): Record<(typeof TASK_STATS)[number], number> {
  const total = { loss: 0, weight: 0, count: 0, prediction: 0, target: 0, targetSq: 0, nonfinite: 0, firstRow: -1 };
  weights.forEach((weight, row) => {
    if (weight === 0) return;
    const loss = losses[row] ?? Number.NaN;
    const target = targets[row] ?? Number.NaN;
    total.count += 1;
    total.weight += weight;
    if (!Number.isFinite(loss)) {
      total.nonfinite += 1;
      if (total.firstRow < 0) total.firstRow = row;
      return;
    }
    total.loss += weight * loss;
    total.prediction += weight * (predictions[row] ?? Number.NaN);
    total.target += weight * target;
    total.targetSq += weight * target * target;
  });
  return total;
}

function refuseNonFinite(tasks: readonly PlanTask[], stats: Float64Array): void {
  tasks.forEach(({ name }, task) => {
    const of = (stat: (typeof TASK_STATS)[number]): number =>
      stats[task * TASK_STATS.length + TASK_STATS.indexOf(stat)] ?? 0;
    if (of('nonfinite') === 0) return;
    throw new PrerankError(
      'NON_FINITE',
      `the loss of task "${name}" is not finite in ${of('nonfinite')} rows; nothing was updated; check the first of them`,
      { row: of('firstRow') },
    );
  });
}

/** Distinct rows of a table that the batch looks up, ascending. */
function touchedRows(plan: Plan, batch: ArrayBatch, name: string): number[] {
  const rows = new Set<number>();
  for (const { idInput } of plan.sparseGradients) {
    if (plan.tables[plan.idInputs[idInput]?.table ?? -1]?.name !== name) continue;
    for (const id of batch.ids?.[idInput]?.ids ?? []) rows.add(id);
  }
  return [...rows].sort((a, b) => a - b);
}
