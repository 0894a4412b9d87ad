/** The forward operations of a plan as TensorFlow.js calls: [rows, width] tensors, [1, width] for domain none. */
import type { Tensor, Tensor2D } from '@tensorflow/tfjs';
import { PrerankError } from '../../base/errors.js';
import type { ArrayBatch } from '../native.js';
import type { Plan, PlanOp } from '../plan.js';
import type { Tf } from './load.js';
import { dropoutFactors, gateNoise } from './philox.js';

export interface ForwardRun {
  readonly tf: Tf;
  readonly plan: Plan;
  readonly batch: ArrayBatch;
  /** By parameter name, in the parameter's shape. */
  readonly weights: ReadonlyMap<string, Tensor>;
  readonly training: boolean;
  readonly seed: number;
  readonly step: number;
}

type Kernel = (run: ForwardRun, op: PlanOp, x: readonly Tensor[]) => Tensor;

/** Values by id after all forward operations but the loss. */
export function forward(run: ForwardRun): ReadonlyMap<number, Tensor> {
  const { plan } = run;
  const values = new Map<number, Tensor>();
  plan.values.forEach((value, id) => {
    if (value.root !== id) return;
    if (value.storage === 'input') values.set(id, denseInput(run, value.binding));
    if (value.storage === 'param') values.set(id, parameter(run, value.binding));
  });
  for (const op of plan.segments.flatMap((segment) => segment.ops)) {
    if (op.backward || op.kind === 'loss') continue;
    if (op.kind === 'embedding') {
      embedding(run, op).forEach((tensor, index) => {
        values.set(op.outputs[index] ?? -1, tensor);
      });
      continue;
    }
    const kernel = KERNELS[op.kind];
    if (kernel === undefined) {
      throw new PrerankError('UNSUPPORTED', `layer "${op.layer}": TensorFlow.js runs no operation "${op.kind}"`);
    }
    const inputs = op.inputs.map((id) => computed(values, id, op));
    values.set(op.outputs[0] ?? -1, kernel(run, op, inputs));
  }
  return values;
}

export function computed(values: ReadonlyMap<number, Tensor>, id: number, op: PlanOp): Tensor {
  const value = values.get(id);
  if (value === undefined) {
    throw new PrerankError('INTERNAL', `layer "${op.layer}": ${op.kind} reads value ${id}, which nothing computed`);
  }
  return value;
}

function denseInput({ tf, plan, batch }: ForwardRun, index: number): Tensor {
  const input = plan.denseInputs[index];
  const data = batch.dense?.[index];
  const rows = input?.domain === 'request' ? requestsOf(batch) : batch.rows;
  if (input === undefined || data === undefined || data.length !== rows * input.width) {
    throw new PrerankError(
      'INVALID_ARGUMENT',
      `dense input ${index} (${input?.name}) has ${data?.length ?? 0} numbers; give [${rows}, ${input?.width}]`,
    );
  }
  return tf.tensor2d(data, [rows, input.width]);
}

function parameter({ plan, weights }: ForwardRun, index: number): Tensor {
  const name = plan.parameters[index]?.name ?? '';
  return named(weights, name).reshape([1, -1]);
}

function named(weights: ReadonlyMap<string, Tensor>, name: string): Tensor {
  const tensor = weights.get(name);
  if (tensor === undefined) throw new PrerankError('NOT_FOUND', `the program holds no parameter "${name}"`);
  return tensor;
}

/** Requests of a batch, from the ascending request of each row. */
export function requestsOf(batch: ArrayBatch): number {
  return (batch.requestOfRow?.at(-1) ?? -1) + 1;
}

function embedding(run: ForwardRun, op: PlanOp): Tensor[] {
  const pooling = numbersOf(op, 'pooling');
  return numbersOf(op, 'idInputs').map((idInput, index) => pooled(run, idInput, pooling[index] === 1));
}

/** Σ coefficient · row of the table per bag; TensorFlow's gradient of it is as large as the table. */
function pooled({ tf, plan, batch, weights }: ForwardRun, idInput: number, mean: boolean): Tensor {
  const input = plan.idInputs[idInput];
  const table = plan.tables[input?.table ?? -1];
  const bags = batch.ids?.[idInput];
  if (input === undefined || table === undefined || bags === undefined) {
    throw new PrerankError('INVALID_ARGUMENT', `id input ${idInput} (${input?.name}) is missing from the batch`);
  }
  const outside = bags.ids.find((id) => id >= table.rows);
  if (outside !== undefined) {
    throw new PrerankError(
      'OUT_OF_RANGE',
      `id ${outside} of ${input.name} is outside ${table.name}, which has ${table.rows} rows`,
    );
  }
  const rows = input.domain === 'request' ? requestsOf(batch) : batch.rows;
  if (bags.ids.length === 0) return tf.zeros([rows, table.dim]);
  const gathered = tf.gather(named(weights, table.name), tf.tensor1d(Int32Array.from(bags.ids), 'int32'));
  if (bags.offsets === undefined) return gathered;
  const { bagOf, coefficients } = entriesOf(bags.offsets, bags.weights, mean);
  const weighted = tf.mul(gathered, tf.tensor2d(coefficients, [coefficients.length, 1]));
  return tf.unsortedSegmentSum(weighted, tf.tensor1d(bagOf, 'int32'), rows);
}

/** The bag of every id, and what it is multiplied by. */
export function entriesOf(
  offsets: Uint32Array,
  weights: Float32Array | undefined,
  mean: boolean,
): { bagOf: Int32Array; coefficients: Float32Array } {
  const total = offsets.at(-1) ?? 0;
  const bagOf = new Int32Array(total);
  const coefficients = new Float32Array(total);
  for (let bag = 0; bag + 1 < offsets.length; bag += 1) {
    const [from, to] = [offsets[bag] ?? 0, offsets[bag + 1] ?? 0];
    bagOf.fill(bag, from, to);
    for (let entry = from; entry < to; entry += 1) {
      coefficients[entry] = (weights?.[entry] ?? 1) / (mean ? to - from : 1);
    }
  }
  return { bagOf, coefficients };
}

function numbersOf(op: PlanOp, key: string): readonly number[] {
  const list = op.attributes[key];
  return Array.isArray(list) ? list : [];
}

function numberOf(op: PlanOp, key: string): number {
  return Number(op.attributes[key]);
}

/** One operand, checked. */
function operand(op: PlanOp, x: readonly Tensor[], index: number): Tensor {
  const tensor = x[index];
  if (tensor === undefined)
    throw new PrerankError('INTERNAL', `layer "${op.layer}": ${op.kind} lacks operand ${index}`);
  return tensor;
}

function activate(tf: Tf, kind: unknown, x: Tensor): Tensor {
  if (kind === 'relu') return tf.relu(x);
  if (kind === 'sigmoid') return tf.sigmoid(x);
  return kind === 'tanh' ? tf.tanh(x) : x;
}

function binary(call: (tf: Tf, a: Tensor, b: Tensor) => Tensor): Kernel {
  return ({ tf }, op, x) => call(tf, operand(op, x, 0), operand(op, x, 1));
}

const UNARY: Readonly<Record<string, (tf: Tf, x: Tensor) => Tensor>> = {
  exp: (tf, x) => tf.exp(x),
  log: (tf, x) => tf.log(x),
  softplus: (tf, x) => tf.softplus(x),
  square: (tf, x) => tf.square(x),
  sqrt: (tf, x) => tf.sqrt(x),
  abs: (tf, x) => tf.abs(x),
  neg: (tf, x) => tf.neg(x),
};

/** All pairs at once: [rows, rows] tensors, for small batches. */
const pairwiseRank: Kernel = ({ tf, batch }, op, x) => {
  const score = operand(op, x, 0);
  const [event, condition] = [numberOf(op, 'event'), numberOf(op, 'condition')];
  const trains = (row: number, task: number): boolean => ((batch.taskMask?.[row] ?? 0) >>> task) % 2 === 1;
  const above = (row: number, task: number): boolean => (batch.targets?.[task]?.[row] ?? 0) > 0.5;
  const weightsOf = (wanted: (row: number) => boolean): Float32Array =>
    Float32Array.from({ length: batch.rows }, (_, row) =>
      trains(row, event) && trains(row, condition) && wanted(row) ? (batch.weight?.[row] ?? 1) : 0,
    );
  const sumOf = (weights: Float32Array): number => weights.reduce((sum, weight) => sum + weight, 0);
  const events = weightsOf((row) => above(row, event));
  const near = weightsOf((row) => !above(row, event) && above(row, condition));
  const plain = weightsOf((row) => !above(row, event) && !above(row, condition));
  const terms = [[near, 'nearMargin'] as const, [plain, 'plainMargin'] as const].map(([weights, margin]) => {
    const others = tf.tensor2d(weights, [1, batch.rows]);
    const gaps = tf.relu(tf.add(tf.sub(tf.transpose(score), score), numberOf(op, margin)));
    const losses = op.attributes.surrogate === 'squaredHinge' ? tf.square(gaps) : gaps;
    const pairs = tf.mul(tf.tensor2d(events, [batch.rows, 1]), others);
    const total = sumOf(events) * sumOf(weights);
    return tf.mul(tf.sum(tf.mul(losses, pairs)), op.attributes.norm === 'mean' && total > 0 ? 1 / total : 1);
  });
  return tf.mul(tf.onesLike(score), tf.addN(terms));
};

const crossEntropy: Kernel = ({ tf, batch }, op, x) => {
  const logits = operand(op, x, 0);
  const events = numbersOf(op, 'events');
  const classes = events.length + 1;
  const labels = new Float32Array(batch.rows * classes);
  for (let row = 0; row < batch.rows; row += 1) {
    if (!events.every((task) => ((batch.taskMask?.[row] ?? 0) >>> task) % 2 === 1)) continue;
    const first = events.findIndex((task) => (batch.targets?.[task]?.[row] ?? 0) > 0.5);
    labels[row * classes + (first < 0 ? events.length : first)] = 1;
  }
  return tf.neg(tf.sum(tf.mul(tf.tensor2d(labels, [batch.rows, classes]), tf.logSoftmax(logits)), 1, true));
};

const hardConcrete: Kernel = ({ tf, training, seed, step }, op, x) => {
  const logits = operand(op, x, 0);
  const gates = logits.shape[1] ?? 0;
  const noise = Float32Array.from(gateNoise({ seed, step, operation: op.id }, gates));
  const noisy = tf.div(tf.add(logits, tf.tensor2d(noise, [1, gates])), numberOf(op, 'temperature'));
  const [low, high] = [numberOf(op, 'low'), numberOf(op, 'high')];
  return tf.clipByValue(tf.add(tf.mul(tf.sigmoid(training ? noisy : logits), high - low), low), 0, 1);
};

const KERNELS: Readonly<Record<string, Kernel>> = {
  linear: ({ tf, plan }, op, x) => {
    const shape = plan.values[op.inputs[1] ?? -1]?.shape ?? [];
    const weight = operand(op, x, 1).reshape<Tensor2D>([shape[0] ?? 0, shape[1] ?? 0]);
    const product = tf.matMul(operand(op, x, 0), weight, false, true);
    return activate(tf, op.attributes.activation, x[2] === undefined ? product : tf.add(product, x[2]));
  },
  activation: ({ tf }, op, x) => activate(tf, op.attributes.activation, operand(op, x, 0)),
  add: binary((tf, a, b) => tf.add(a, b)),
  sub: binary((tf, a, b) => tf.sub(a, b)),
  mul: binary((tf, a, b) => tf.mul(a, b)),
  div: binary((tf, a, b) => tf.div(a, b)),
  affine: ({ tf }, op, x) => tf.add(tf.mul(operand(op, x, 0), numberOf(op, 'scale')), numberOf(op, 'shift')),
  unary: ({ tf }, op, x) => {
    const call = UNARY[String(op.attributes.function)];
    if (call === undefined) throw new PrerankError('UNSUPPORTED', `layer "${op.layer}": no ${op.attributes.function}`);
    return call(tf, operand(op, x, 0));
  },
  softmax: ({ tf }, op, x) => {
    const logits = operand(op, x, 0);
    return tf.softmax(logits.reshape([-1, numberOf(op, 'group')])).reshape(logits.shape);
  },
  pairwiseRank,
  crossEntropy,
  logSumExp: ({ tf }, op, x) => tf.logSumExp(operand(op, x, 0), 1, true),
  weightedSum: ({ tf }, op, x) => {
    const experts = numberOf(op, 'experts');
    const from = operand(op, x, 1);
    const [rows = 1, width = 0] = from.shape;
    const each = from.reshape([rows, experts, width / experts]);
    return tf.sum(tf.mul(operand(op, x, 0).reshape([-1, experts, 1]), each), 1);
  },
  scaleGroups: ({ tf }, op, x) => {
    const [gates, from] = [operand(op, x, 0), operand(op, x, 1)];
    const groups = gates.shape[1] ?? 1;
    return tf
      .mul(gates.reshape([-1, groups, 1]), from.reshape([-1, groups, (from.shape[1] ?? 0) / groups]))
      .reshape(from.shape);
  },
  groupDot: ({ tf }, op, x) => {
    const products = tf.mul(operand(op, x, 0), operand(op, x, 1));
    return tf.sum(products.reshape([products.shape[0] ?? 0, numberOf(op, 'groups'), -1]), 2);
  },
  dotInteraction: ({ tf }, op, x) => {
    const from = operand(op, x, 0);
    const dim = numberOf(op, 'dim');
    const [rows = 0, width = 0] = from.shape;
    const vectors = width / dim;
    const stacked = from.reshape([rows, vectors, dim]);
    const products = tf.matMul(stacked, stacked, false, true).reshape([rows, vectors * vectors]);
    const below: number[] = [];
    for (let i = 1; i < vectors; i += 1) for (let j = 0; j < i; j += 1) below.push(i * vectors + j);
    return tf.gather(products, tf.tensor1d(below, 'int32'), 1);
  },
  rowDot: ({ tf }, op, x) => tf.sum(tf.mul(operand(op, x, 0), operand(op, x, 1)), 1, true),
  rowSum: ({ tf }, op, x) => tf.sum(operand(op, x, 0), 1, true),
  dropout: ({ tf, training, seed, step }, op, x) => {
    const from = operand(op, x, 0);
    if (!training) return from;
    const [rows = 0, width = 0] = from.shape;
    const factors = dropoutFactors({ seed, step, operation: op.id, rate: numberOf(op, 'rate') }, rows, width);
    return tf.mul(from, tf.tensor2d(factors, [rows, width]));
  },
  hardConcrete,
  constant: ({ tf }, op) => tf.tensor2d([...numbersOf(op, 'values')], [1, numbersOf(op, 'values').length]),
  zero: ({ tf, plan, batch }, op) => {
    const output = plan.values[op.outputs[0] ?? -1];
    const rows = output?.domain === 'request' ? requestsOf(batch) : batch.rows;
    return tf.zeros([output?.domain === 'none' ? 1 : rows, output?.width ?? 1]);
  },
  concat: ({ tf }, _op, x) => tf.concat([...x], 1),
  slice: (_run, op, x) => {
    const from = operand(op, x, 0);
    return from.slice([0, numberOf(op, 'start')], [-1, numberOf(op, 'width')]);
  },
  stopGradient: ({ tf }, op, x) => {
    const identity = tf.customGrad((value) => ({
      value: tf.clone(value as Tensor),
      gradFunc: (dy: Tensor) => tf.zerosLike(dy),
    }));
    return identity(operand(op, x, 0));
  },
  expand: ({ tf, batch }, op, x) =>
    tf.gather(operand(op, x, 0), tf.tensor1d(Int32Array.from(batch.requestOfRow ?? []), 'int32')),
  copy: (_run, op, x) => operand(op, x, 0),
};

/** Kinds that run here; the rest of a plan is its backward pass and the loss. */
export const FORWARD_KINDS: readonly string[] = ['embedding', ...Object.keys(KERNELS)];
