/** Column batches of whole requests: what the stages of the cascade pass on. */
import { PrerankError } from '../base/errors.js';
import type { Phase } from './phases.js';
import { normalQuantile, PURPOSE, sigmoid, unit } from './random.js';
import type { SimulatedSystem } from './system.js';
import type { TrueLogits } from './truth.js';

/** Requests of one phase with consecutive numbers. */
export interface RequestBatch {
  /** Number of the first request in the stream. */
  readonly first: number;
  /** Who asks, per request. */
  readonly users: Uint32Array;
  /** Milliseconds since 1970, per request. */
  readonly times: Float64Array;
  readonly phase: Phase;
}

/** Early conversion rates as the early stage is given them; NaN where the objective needs none. */
export interface ConversionRates {
  readonly cvr: Float32Array;
  readonly vtr: Float32Array;
}

export function gather<Values extends Uint32Array | Uint8Array | Float32Array | Float64Array>(
  values: Values,
  rows: Uint32Array,
): Values {
  const gathered = new (values.constructor as new (length: number) => Values)(rows.length);
  for (let i = 0; i < rows.length; i += 1) gathered[i] = values[rows[i] ?? 0] ?? 0;
  return gathered;
}

/** Candidate ads of a batch of requests; the rows of a request are together, its ads ascending. */
export class Candidates {
  /** Number of the request of each row. */
  readonly request: Uint32Array;
  readonly user: Uint32Array;
  /** Index into OBJECTIVES of each row. */
  readonly objective: Uint8Array;
  readonly bid: Float32Array;
  #truth: TrueLogits | undefined;
  #rates: ConversionRates | undefined;

  /**
   * @param offsets rows of request i of the batch: offsets[i] … offsets[i + 1].
   * @param ad index of each row's ad.
   */
  constructor(
    readonly system: SimulatedSystem,
    readonly batch: RequestBatch,
    readonly offsets: Uint32Array,
    readonly ad: Uint32Array,
  ) {
    const { ads } = system.world;
    this.request = new Uint32Array(ad.length);
    this.user = new Uint32Array(ad.length);
    for (let i = 0; i < batch.users.length; i += 1) {
      this.request.fill(batch.first + i, offsets[i], offsets[i + 1]);
      this.user.fill(batch.users[i] ?? 0, offsets[i], offsets[i + 1]);
    }
    this.objective = gather(ads.objective, ad);
    this.bid = gather(ads.bid, ad);
  }

  get rows(): number {
    return this.ad.length;
  }

  get requests(): number {
    return this.batch.users.length;
  }

  /** What users would really do. */
  get truth(): TrueLogits {
    this.#truth ??= this.system.truth.logits(this.user, this.ad);
    return this.#truth;
  }

  /** The early stage's conversion models, which are no subject of the framework: the same for every early model. */
  get conversionRates(): ConversionRates {
    this.#rates ??= this.#drawRates();
    return this.#rates;
  }

  #drawRates(): ConversionRates {
    const { draws, config } = this.system.world;
    const noise = config.early.conversionNoise;
    const cvr = new Float32Array(this.rows).fill(Number.NaN);
    const vtr = new Float32Array(this.rows).fill(Number.NaN);
    const { conversion, viewThrough } = this.truth;
    for (let row = 0; row < this.rows; row += 1) {
      const objective = this.objective[row];
      if (objective === 0) continue;
      const words = draws.words(PURPOSE.earlyConversion, this.request[row] ?? 0, this.ad[row] ?? 0, 0);
      const error = noise * normalQuantile(unit(words[0] ?? 0));
      if (objective === 1) cvr[row] = sigmoid((conversion[row] ?? 0) + error);
      else vtr[row] = sigmoid((viewThrough[row] ?? 0) + error);
    }
    return { cvr, vtr };
  }

  /** A feature by its name in the log, one value a row. */
  feature(name: string): Float32Array {
    const column = this.system.features.find((feature) => feature.name === name);
    if (column === undefined) throw new PrerankError('NOT_FOUND', `the log has no feature ${name}`);
    return column.gather(this.user, this.ad);
  }

  /** The candidates at ascending `rows`. */
  select(rows: Uint32Array): Candidates {
    const offsets = new Uint32Array(this.offsets.length);
    let taken = 0;
    for (let i = 1; i < offsets.length; i += 1) {
      const end = this.offsets[i] ?? 0;
      while (taken < rows.length && (rows[taken] ?? 0) < end) taken += 1;
      offsets[i] = taken;
    }
    const selected = new Candidates(this.system, this.batch, offsets, gather(this.ad, rows));
    const truth = this.#truth;
    if (truth !== undefined) {
      selected.#truth = {
        click: gather(truth.click, rows),
        conversion: gather(truth.conversion, rows),
        viewThrough: gather(truth.viewThrough, rows),
        events: truth.events.map((event) => gather(event, rows)),
      };
    }
    if (this.#rates !== undefined) {
      selected.#rates = { cvr: gather(this.#rates.cvr, rows), vtr: gather(this.#rates.vtr, rows) };
    }
    return selected;
  }
}
