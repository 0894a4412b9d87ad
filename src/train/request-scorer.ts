/**
 * Scores requests as a server does: an ad's side of the model is computed once, when the ad or the model changes, and a request
 * computes its user's side and what joins both.
 */
import { PrerankError } from '../base/errors.js';
import type { ModelProgram, SidePrograms } from '../models/model.js';
import { sidePrograms } from '../models/registry.js';
import { AD_VECTORS } from '../models/sides.js';
import { awaitNative } from '../runtime/errors.js';
import type { NativeProgram, PredictionBatch } from '../runtime/native.js';
import { AdVectors } from './ad-vectors.js';
import { sliceBatch } from './batch-slice.js';
import { ColumnEncoder } from './column-encoder.js';
import { taskPredictions } from './predictor.js';
import { type ColumnBatch, type RawRow, rowColumns } from './raw-values.js';
import type { Run } from './run.js';

/** Ads of a batch. */
const CAPACITY = 4096;

export class RequestScorer {
  readonly #run: Run;
  readonly #sides: SidePrograms;
  readonly #ads: NativeProgram;
  readonly #scoring: NativeProgram;
  readonly #encoder: ColumnEncoder;

  /** @throws PrerankError UNSUPPORTED for a model whose layers read features of user and ad together. */
  constructor(run: Run) {
    this.#run = run;
    this.#sides = sidesOf(run);
    this.#ads = this.#program(this.#sides.ads);
    this.#scoring = this.#program(this.#sides.scoring);
    this.#encoder = new ColumnEncoder(run);
  }

  /** Numbers of an ad's vector. */
  get width(): number {
    return this.#sides.width;
  }

  /**
   * The vectors of ads, from their features' columns of the raw log. They are of the parameters that the run was opened with.
   * @throws PrerankError INVALID_ARGUMENT naming a feature that does not take its value, COLUMN_MISSING.
   */
  async adVectors(ads: readonly RawRow[] | ColumnBatch): Promise<AdVectors> {
    const batch = this.#encoder.encode(this.#sides.ads, 'column' in ads ? ads : rowColumns(ads));
    const values = new Float32Array(batch.rows * this.width);
    for (let from = 0; from < batch.rows; from += CAPACITY) {
      const slice = sliceBatch(batch, from, Math.min(batch.rows, from + CAPACITY));
      const [vectors = []] = await awaitNative(() => this.#ads.predict(slice));
      values.set(vectors, from * this.width);
    }
    return new AdVectors(this.width, values);
  }

  /**
   * Predictions by task, one for each of `ads`, as `predict` gives them for a log with these rows.
   * @param user columns of user and context features.
   * @param ads numbers of vectors, in any order, also repeated.
   * @throws PrerankError OUT_OF_RANGE for a number without a vector, INVALID_ARGUMENT, COLUMN_MISSING.
   */
  async score(user: RawRow, ads: Uint32Array, vectors: AdVectors): Promise<ReadonlyMap<string, Float64Array>> {
    if (vectors.width !== this.width) {
      throw new PrerankError('INVALID_ARGUMENT', `vectors of ${vectors.width} numbers for a model with ${this.width}`);
    }
    const { scoring } = this.#sides;
    const { dense = [], ids } = this.#encoder.encode(scoring, rowColumns([user]));
    const place = scoring.plan.denseInputs.findIndex(({ name }) => name === AD_VECTORS);
    const batches = Array.from({ length: Math.ceil(ads.length / CAPACITY) }, (_, i): PredictionBatch => {
      const rows = ads.subarray(i * CAPACITY, (i + 1) * CAPACITY);
      return {
        rows: rows.length,
        requestOfRow: new Uint32Array(rows.length),
        dense: dense.map((matrix, input) => (input === place ? { values: vectors.values, rows } : matrix)),
        ids,
      };
    });
    // All at once: what is written to the vectors from now on is not part of this request.
    const predicted = await awaitNative(() => Promise.all(batches.map((batch) => this.#scoring.predict(batch))));
    const outputs = scoring.plan.outputs.map((_, output) => {
      const values = new Float32Array(ads.length);
      for (const [i, parts] of predicted.entries()) values.set(parts[output] ?? [], i * CAPACITY);
      return values;
    });
    return taskPredictions(this.#run.model.tasks, scoring.plan, outputs);
  }

  #program({ plan }: ModelProgram): NativeProgram {
    const { addon, store, threads } = this.#run;
    return new addon.Program(plan, store, { threads, capacity: CAPACITY, requestCapacity: 1, seed: 0 });
  }
}

function sidesOf({ config: { model }, features, model: { tasks } }: Run): SidePrograms {
  const sides = sidePrograms(
    model,
    features,
    tasks.map((task) => task.model),
  );
  if (sides !== null) return sides;
  throw new PrerankError(
    'UNSUPPORTED',
    `model.kind ${model.kind} has no vectors of ads: it joins features of user and ad before its first layer, so nothing of it is computed for an ad alone. Score with ColumnScorer or predict; two-tower and vector-product have vectors`,
    { path: 'model.kind' },
  );
}
