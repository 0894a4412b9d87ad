/** Scores rows in memory with a run's model: no log, no encoded files. */
import type { ArrayBatch, NativeProgram } from '../runtime/native.js';
import { type ColumnBatch, ColumnEncoder } from './column-encoder.js';
import { predictionOf, readPredictions } from './predictor.js';
import type { Run } from './run.js';

export type { ColumnBatch } from './column-encoder.js';

const CAPACITY = 4096;

/** Encodes columns as ingestion does and runs the prediction program on them. */
export class ColumnScorer {
  readonly #run: Run;
  readonly #program: NativeProgram;
  readonly #encoder: ColumnEncoder;

  /** @throws PrerankError UNSUPPORTED naming a feature that is neither a number nor an integer id. */
  constructor(run: Run) {
    this.#run = run;
    const { plan } = run.model.prediction;
    this.#program = new run.addon.Program(plan, run.store, { threads: run.threads, capacity: CAPACITY, seed: 0 });
    this.#encoder = new ColumnEncoder(run);
  }

  /** Predictions by task, one a row, as `predict` gives them for a log with these columns. */
  async score(batch: ColumnBatch): Promise<ReadonlyMap<string, Float64Array>> {
    const { prediction } = this.#run.model;
    const { plan } = prediction;
    const encoded = this.#encoder.encode(prediction, batch);
    const outputs = plan.outputs.map(() => new Float32Array(batch.rows));
    for (let from = 0; from < batch.rows; from += CAPACITY) {
      const slice = sliceOf(encoded, from, Math.min(batch.rows, from + CAPACITY));
      const predicted = await this.#program.predict(slice);
      for (const [i, output] of outputs.entries()) output.set(predicted[i] ?? [], from);
    }
    return new Map(
      this.#run.model.tasks.flatMap((task) => {
        const output = outputs[plan.outputs.findIndex(({ name }) => name === task.name)];
        return output === undefined ? [] : [[task.name, readPredictions(predictionOf(task, output))] as const];
      }),
    );
  }
}

/** Rows `from` … `to` of a batch of single ids. */
function sliceOf({ rows, dense = [], ids = [] }: ArrayBatch, from: number, to: number): ArrayBatch {
  return {
    rows: to - from,
    dense: dense.map((values) => {
      const width = values.length / rows;
      return values.subarray(from * width, to * width);
    }),
    ids: ids.map(({ ids: values }) => ({ ids: values.subarray(from, to) })),
  };
}
