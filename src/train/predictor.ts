/** Runs a model's prediction program over encoded datasets. */
import { PrerankError } from '../base/errors.js';
import type { Addon, NativeParameterStore, NativeProgram } from '../runtime/native.js';
import type { AssembledModel } from './assemble.js';
import type { EncodedSet } from './encoded-set.js';
import { toPredictions } from './tasks.js';

export interface PredictorSettings {
  readonly threads: number;
  readonly batchSize: number;
}

/** Predictions by task name, [rows] each: probabilities, or values in the label's units. */
export type Predictions = ReadonlyMap<string, Float64Array>;

export class Predictor {
  readonly #addon: Addon;
  readonly #model: AssembledModel;
  readonly #program: NativeProgram;
  readonly #settings: PredictorSettings;

  /** Shares `store`: it predicts with whatever parameters the store holds at the time. */
  constructor(addon: Addon, model: AssembledModel, store: NativeParameterStore, settings: PredictorSettings) {
    this.#addon = addon;
    this.#model = model;
    this.#settings = settings;
    this.#program = new addon.Program(model.prediction.plan, store, {
      threads: settings.threads,
      capacity: settings.batchSize,
      seed: 0,
    });
  }

  /** Predicts every row of a dataset, in its order. Tasks without own logits have no entry. */
  async predict(set: EncodedSet): Promise<Predictions> {
    const { dense, ids, plan } = this.#model.prediction;
    const { threads, batchSize } = this.#settings;
    const loader = new this.#addon.Loader(set.native, {
      batchSize,
      shuffle: 'none',
      seed: 0,
      epochs: 1,
      threads,
      training: false,
      dense,
      ids,
      tasks: [],
    });
    try {
      const outputs = await this.#program.predictAll(loader);
      return new Map(plan.outputs.map(({ name }, i) => [name, this.#convert(name, outputs[i], set.rows)]));
    } finally {
      loader.close();
    }
  }

  #convert(name: string, output: Float32Array | undefined, rows: number): Float64Array {
    const task = this.#model.tasks.find((candidate) => candidate.name === name);
    if (task === undefined || output?.length !== rows) {
      throw new PrerankError('INTERNAL', `output ${name} has ${output?.length} values for ${rows} rows`);
    }
    return toPredictions(task, output);
  }
}
