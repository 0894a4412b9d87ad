/** Training steps of a plan as a user of TensorFlow.js would take them: its operations, its differentiation, its optimizers. */
import type { Optimizer, Tensor, Variable } from '@tensorflow/tfjs';
import { PrerankError } from '../base/errors.js';
import type { ModelProgram } from '../models/model.js';
import type {
  ArrayBatch,
  DenseOptimizerSettings,
  NativeParameterStore,
  SparseOptimizerSettings,
} from '../runtime/native.js';
import { computed, forward } from '../runtime/tfjs/forward.js';
import { loadTfjs, type Tf } from '../runtime/tfjs/load.js';
import { columnOf, lossOf, meanLoss, rowLoss, taskRows } from '../runtime/tfjs/losses.js';

export interface TfjsEngine {
  readonly package: string;
  /** tensorflow, or cpu: plain JavaScript. */
  readonly backend: string;
  readonly version: string;
}

export interface TfjsStepSettings {
  readonly dense: DenseOptimizerSettings['kind'];
  readonly sparse: SparseOptimizerSettings['kind'];
  readonly rates: { readonly dense: number; readonly sparse: number };
}

/**
 * Adagrad adds 1e-7 to the sum of squares, where prerank adds 1e-8 to its root. A lookup's gradient and the optimizer's work are as
 * large as the table: TensorFlow.js knows no sparse ones.
 */
export class TfjsStepper {
  readonly #tf: Tf;
  readonly #program: ModelProgram;
  readonly #variables: ReadonlyMap<string, Variable>;
  readonly #groups: readonly { readonly optimizer: Optimizer; readonly variables: readonly Variable[] }[];

  private constructor(
    tf: Tf,
    readonly engine: TfjsEngine,
    program: ModelProgram,
    store: NativeParameterStore,
    settings: TfjsStepSettings,
  ) {
    const { dense, sparse, rates } = settings;
    const optimizers = [
      { tables: false, optimizer: optimizerOf(tf, dense, rates.dense) },
      {
        tables: true,
        optimizer: optimizerOf(tf, sparse === 'adam' ? 'adam of touched rows only' : sparse, rates.sparse),
      },
    ];
    this.#tf = tf;
    this.#program = program;
    this.#variables = new Map(
      program.parameters.map(({ name, shape }) => {
        const initial = tf.tensor(store.read(name), [...shape]);
        const variable = tf.variable(initial);
        initial.dispose();
        return [name, variable] as const;
      }),
    );
    this.#groups = optimizers.map(({ tables, optimizer }) => ({
      optimizer,
      variables: program.parameters.flatMap(({ name, table }) => {
        const variable = this.#variables.get(name);
        return variable === undefined || table !== tables ? [] : [variable];
      }),
    }));
  }

  /**
   * Starts from what the store holds.
   * @throws PrerankError DEVICE_UNAVAILABLE without TensorFlow.js, UNSUPPORTED for an optimizer that it does not have.
   */
  static async create(
    program: ModelProgram,
    store: NativeParameterStore,
    settings: TfjsStepSettings,
  ): Promise<TfjsStepper> {
    const { tf, name } = await loadTfjs();
    const engine = { package: name, backend: tf.getBackend(), version: tf.version.tfjs };
    return new TfjsStepper(tf, engine, program, store, settings);
  }

  /** One step; the total loss before it. */
  step(batch: ArrayBatch): number {
    const tf = this.#tf;
    const { value, grads } = tf.variableGrads(() => this.#loss(batch), [...this.#variables.values()]);
    for (const { optimizer, variables } of this.#groups) {
      // All of them: the optimizers find their state by the place in the list.
      const pairs = variables.map((variable) => ({
        name: variable.name,
        tensor: grads[variable.name] ?? tf.zerosLike(variable),
      }));
      optimizer.applyGradients(pairs);
      for (const { tensor } of pairs) tensor.dispose();
    }
    const [loss = Number.NaN] = value.dataSync();
    value.dispose();
    return loss;
  }

  dispose(): void {
    for (const variable of this.#variables.values()) variable.dispose();
    for (const { optimizer } of this.#groups) optimizer.dispose();
  }

  #loss(batch: ArrayBatch) {
    const tf = this.#tf;
    const { plan } = this.#program;
    const op = lossOf(plan);
    const weights: ReadonlyMap<string, Tensor> = this.#variables;
    const values = forward({ tf, plan, batch, weights, training: true, seed: 0, step: 0 });
    const totals = plan.tasks.map((task, i) => {
      const rows = taskRows(batch, i);
      const logits = computed(values, op.inputs[task.logits] ?? -1, op);
      return tf.mul(meanLoss(tf, rowLoss(tf, task, logits, columnOf(tf, rows.targets)), rows), task.weight);
    });
    return tf.addN(totals).asScalar();
  }
}

function optimizerOf(tf: Tf, kind: string, rate: number): Optimizer {
  switch (kind) {
    case 'adam':
      return tf.train.adam(rate, 0.9, 0.999, 1e-8);
    case 'adagrad':
      return tf.train.adagrad(rate, 0);
    case 'sgd':
      return tf.train.sgd(rate);
    default:
      throw new PrerankError('UNSUPPORTED', `TensorFlow.js has no optimizer ${kind}`);
  }
}
