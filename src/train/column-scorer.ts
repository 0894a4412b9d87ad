/** Scores rows in memory with a run's model: no log, no encoded files. */
import type { NativeProgram } from '../runtime/native.js';
import { sliceBatch } from './batch-slice.js';
import { ColumnEncoder } from './column-encoder.js';
import { taskPredictions } from './predictor.js';
import type { ColumnBatch } from './raw-values.js';
import type { Run } from './run.js';

const CAPACITY = 4096;

/** Encodes columns as ingestion does and runs the prediction program on them. */
export class ColumnScorer {
  readonly #run: Run;
  readonly #program: NativeProgram;
  readonly #encoder: ColumnEncoder;

  constructor(run: Run) {
    this.#run = run;
    const { plan } = run.model.prediction;
    this.#program = new run.addon.Program(plan, run.store, { threads: run.threads, capacity: CAPACITY, seed: 0 });
    this.#encoder = new ColumnEncoder(run);
  }

  /**
   * Predictions by task, one a row, as `predict` gives them for a log with these columns.
   * @throws PrerankError INVALID_ARGUMENT naming a feature that does not take its value; what `batch.column` throws.
   */
  async score(batch: ColumnBatch): Promise<ReadonlyMap<string, Float64Array>> {
    const { prediction } = this.#run.model;
    const { plan } = prediction;
    const encoded = this.#encoder.encode(prediction, batch);
    const outputs = plan.outputs.map(() => new Float32Array(batch.rows));
    for (let from = 0; from < batch.rows; from += CAPACITY) {
      const slice = sliceBatch(encoded, from, Math.min(batch.rows, from + CAPACITY));
      const predicted = await this.#program.predict(slice);
      for (const [i, output] of outputs.entries()) output.set(predicted[i] ?? [], from);
    }
    return taskPredictions(this.#run.model.tasks, plan, outputs);
  }
}
