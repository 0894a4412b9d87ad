/** Early-stage rankers: the truth with noise, chance, or a trained model. */
import { totalValues } from '../auction/total-value.js';
import type { Candidates } from './candidates.js';
import type { SimulationConfig } from './config.js';
import { PURPOSE, sigmoid, unit } from './random.js';
import { prediction, type ScoringCallback, TimedModel } from './scoring.js';
import type { EarlyScores, EarlyStage } from './stages.js';
import type { SimulatedSystem } from './system.js';

/** bid · EAR ⊕ f(CQS) with the early stage's predictions (framework.md §1.1). */
export function earlyValue(
  candidates: Candidates,
  ctr: ArrayLike<number>,
  cqs: ArrayLike<number> | null,
): Float32Array {
  const { cvr, vtr } = candidates.conversionRates;
  const { bid, objective, system } = candidates;
  return new Float32Array(totalValues(system.config.auction, { ctr, cqs, bid, objective, cvr, vtr }));
}

const NONE = new Float64Array(0);

export interface OracleSettings {
  /** Standard deviation of the error of each logit. */
  readonly noise: number;
  /** Names of the quality events that it knows. */
  readonly events: readonly string[];
}

/** True logits with independent errors; quality from those of the initial events that it knows. */
export class OracleEarly implements EarlyStage {
  readonly #events: readonly number[];

  constructor(
    system: SimulatedSystem,
    private readonly settings: OracleSettings,
  ) {
    this.#events = system.truth.events.flatMap((event, i) => (settings.events.includes(event.name) ? [i] : []));
  }

  score(candidates: Candidates): EarlyScores {
    const { truth, batch, rows } = candidates;
    const { noise } = this.settings;
    const { draws } = candidates.system.world;
    const errors = new Float64Array(1 + this.#events.length);
    const known = this.#events.map((e) => ({ scalar: batch.phase.scalars[e] ?? 0, logits: truth.events[e] ?? NONE }));
    const ctr = new Float32Array(rows);
    const cqs = new Float32Array(rows);
    for (let row = 0; row < rows; row += 1) {
      draws.normals(PURPOSE.earlyOracle, candidates.request[row] ?? 0, candidates.ad[row] ?? 0, errors);
      ctr[row] = sigmoid((truth.click[row] ?? 0) + noise * (errors[0] ?? 0));
      let quality = 0;
      for (let k = 0; k < known.length; k += 1) {
        const event = known[k];
        if (event === undefined) continue;
        quality += event.scalar * sigmoid((event.logits[row] ?? 0) + noise * (errors[1 + k] ?? 0));
      }
      cqs[row] = quality;
    }
    return { value: earlyValue(candidates, ctr, cqs), ctr, cqs };
  }
}

/** Passes on ads by chance. */
export class RandomEarly implements EarlyStage {
  score(candidates: Candidates): EarlyScores {
    const { draws } = candidates.system.world;
    const value = Float32Array.from(candidates.ad, (ad, row) =>
      unit(draws.words(PURPOSE.earlyRandom, candidates.request[row] ?? 0, ad, 0)[0] ?? 0),
    );
    return { value };
  }
}

/** A trained model that predicts `ctr` and, if it has the task, `cqs`. */
export class ModelEarly implements EarlyStage {
  readonly #model: TimedModel;

  constructor(model: ScoringCallback) {
    this.#model = new TimedModel(model);
  }

  get modelMilliseconds(): number {
    return this.#model.milliseconds;
  }

  async score(candidates: Candidates): Promise<EarlyScores> {
    const predictions = await this.#model.score(candidates);
    const ctr = Float32Array.from(prediction(predictions, 'ctr', candidates.rows));
    const quality = predictions.has('cqs') ? prediction(predictions, 'cqs', candidates.rows) : undefined;
    const cqs = quality && Float32Array.from(quality);
    return { value: earlyValue(candidates, ctr, cqs ?? null), ctr, cqs };
  }
}

/** The early stage of the production system, which decided what was logged. */
export function loggingEarly(system: SimulatedSystem, { early }: SimulationConfig): EarlyStage {
  return early.kind === 'oracle' ? new OracleEarly(system, early) : new RandomEarly();
}
