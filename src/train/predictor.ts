/** Runs a model's prediction programs over encoded datasets. */
import { PrerankError } from '../base/errors.js';
import { ROLE_COLUMNS } from '../data/features.js';
import { sigmoid } from '../losses/tasks.js';
import type { ModelProgram } from '../models/model.js';
import { awaitNative } from '../runtime/errors.js';
import type { Addon, NativeParameterStore, NativeProgram, PredictionSpec } from '../runtime/native.js';
import type { Plan } from '../runtime/plan.js';
import type { AssembledModel } from './assemble.js';
import type { EncodedSet } from './encoded-set.js';
import type { TaskModel } from './tasks.js';

export interface PredictorSettings {
  readonly threads: number;
  readonly batchSize: number;
}

/** The outputs of every row, and how they are read. */
export interface Prediction extends PredictionSpec {
  /** Read as e^output, which may exceed 1; what ranks rows takes the sigmoid instead, which orders them alike. */
  readonly ratio?: boolean;
}

/** By task name. */
export type Predictions = ReadonlyMap<string, Prediction>;

/** What is predicted. `constantInRequest`: columns with one value in all rows of a request. */
export interface PredictedSet extends Pick<EncodedSet, 'native' | 'rows' | 'columns'> {
  readonly constantInRequest?: ReadonlySet<string>;
}

export class Predictor {
  readonly #addon: Addon;
  readonly #model: AssembledModel;
  readonly #store: NativeParameterStore;
  readonly #settings: PredictorSettings;
  readonly #programs = new Map<ModelProgram, NativeProgram>();

  /** Shares `store`: it predicts with whatever parameters the store holds at the time. */
  constructor(addon: Addon, model: AssembledModel, store: NativeParameterStore, settings: PredictorSettings) {
    this.#addon = addon;
    this.#model = model;
    this.#store = store;
    this.#settings = settings;
  }

  /**
   * Predicts every row of a dataset, in its order; the user side once per request where all its columns are constant in
   * every request. Tasks without own logits have no entry.
   */
  async predict(set: PredictedSet): Promise<Predictions> {
    const byRequest = runsByRequest(this.#model.requestPrediction, set);
    const model = byRequest ? this.#model.requestPrediction : this.#model.prediction;
    const { threads, batchSize } = this.#settings;
    const loader = new this.#addon.Loader(set.native, {
      batchSize,
      shuffle: 'none',
      seed: 0,
      epochs: 1,
      threads,
      training: false,
      ...(byRequest ? { request: ROLE_COLUMNS.request.column } : {}),
      dense: model.dense,
      ids: model.ids,
      tasks: [],
    });
    try {
      const outputs = await awaitNative(() => this.#program(model).predictAll(loader));
      return new Map(model.plan.outputs.map(({ name }, i) => [name, this.#prediction(name, outputs[i], set.rows)]));
    } finally {
      loader.close();
    }
  }

  #program(model: ModelProgram): NativeProgram {
    const known = this.#programs.get(model);
    if (known !== undefined) {
      return known;
    }
    const { threads, batchSize } = this.#settings;
    const settings = { threads, capacity: batchSize, requestCapacity: batchSize, seed: 0 };
    const program = new this.#addon.Program(model.plan, this.#store, settings);
    this.#programs.set(model, program);
    return program;
  }

  #prediction(name: string, outputs: Float32Array | undefined, rows: number): Prediction {
    const task = this.#model.tasks.find((candidate) => candidate.name === name);
    if (task === undefined || outputs?.length !== rows) {
      throw new PrerankError('INTERNAL', `output ${name} has ${outputs?.length} values for ${rows} rows`);
    }
    return predictionOf(task, outputs);
  }
}

/** A head's outputs as the predictions of its task. */
export function predictionOf({ prediction }: Pick<TaskModel, 'prediction'>, outputs: Float32Array): Prediction {
  switch (prediction.kind) {
    case 'probability':
      return { outputs, link: 'sigmoid' };
    case 'ratio':
      return { outputs, link: 'sigmoid', ratio: true };
    case 'value':
      return { outputs, link: 'identity', scale: prediction.scale, shift: prediction.shift };
  }
}

/** Whether a request-domain program gives what the row program does: its request columns may not vary in a request. */
export function runsByRequest(program: ModelProgram, set: PredictedSet): boolean {
  const { dense, ids } = program;
  const columns = [
    ...dense.filter(({ domain }) => domain === 'request').flatMap((input) => input.columns),
    ...ids.filter(({ domain }) => domain === 'request').flatMap(({ column, weights }) => [column, weights ?? column]),
  ];
  const constant = set.constantInRequest;
  return (
    columns.length > 0 &&
    set.columns.has(ROLE_COLUMNS.request.column) &&
    columns.every((column) => constant?.has(column) === true)
  );
}

/** Probabilities, values in the label's own units, or ratios, in float64. */
export function readPredictions({ outputs, link, ratio = false, scale = 1, shift = 0 }: Prediction): Float64Array {
  if (ratio) return mapped(outputs, Math.exp);
  return link === 'sigmoid' ? mapped(outputs, sigmoid) : mapped(outputs, (value) => value / scale + shift);
}

/** What a program's outputs, in its plan's order, predict by task. Tasks without an output of their own have no entry. */
export function taskPredictions(
  tasks: readonly TaskModel[],
  { outputs: named }: Pick<Plan, 'outputs'>,
  outputs: readonly Float32Array[],
): ReadonlyMap<string, Float64Array> {
  return new Map(
    tasks.flatMap((task) => {
      const output = outputs[named.findIndex(({ name }) => name === task.name)];
      return output === undefined ? [] : [[task.name, readPredictions(predictionOf(task, output))] as const];
    }),
  );
}

/** As Float64Array.from, which takes a microsecond for every three numbers. */
function mapped(values: Float32Array, read: (value: number) => number): Float64Array {
  const result = new Float64Array(values.length);
  for (let i = 0; i < values.length; i += 1) result[i] = read(values[i] ?? Number.NaN);
  return result;
}
