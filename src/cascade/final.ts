/** Final stages: the truth with the teacher's errors, or a trained model. */
import { OBJECTIVES } from '../data/plan-columns.js';
import type { Candidates } from './candidates.js';
import type { TeacherConfig } from './config.js';
import { PURPOSE, sigmoid } from './random.js';
import { prediction, type ScoringCallback, scoringBatch } from './scoring.js';
import type { FinalScores, FinalStage } from './stages.js';

const POST_CLICK = OBJECTIVES.indexOf('postClick');
const POST_IMPRESSION = OBJECTIVES.indexOf('postImpression');

/** Normals of a row: CTR, CVR, VTR, the error that heads share, then one per event. */
const SHARED = 3;
const EVENTS = 4;

/** Blocks of random words of one final stage; the next one starts behind them. */
const BLOCKS_PER_TEACHER = 1024;

/**
 * True logits plus errors (reproduction.md §1): N(0, noise) per pair and head, of whose variance `sharedNoise` is common to
 * the heads; N(0, adNoise) per ad and head, the same in every request; and a bias. All change with the phase's teacher.
 */
export class OracleFinal implements FinalStage {
  score(candidates: Candidates): FinalScores {
    const { truth, batch, rows, objective, request, ad } = candidates;
    const { teacher, teacherVersion, scalars } = batch.phase;
    const errors = new HeadErrors(candidates, teacher, teacherVersion);
    const events = truth.events.map(() => new Float32Array(rows));
    const scores = { ctr: column(rows), cvr: column(rows), vtr: column(rows), events };
    for (let row = 0; row < rows; row += 1) {
      errors.draw(request[row] ?? 0, ad[row] ?? 0);
      const aim = objective[row];
      if (aim === POST_IMPRESSION) {
        scores.vtr[row] = sigmoid((truth.viewThrough[row] ?? 0) + errors.of(2) + teacher.bias.conversion);
      } else {
        scores.ctr[row] = sigmoid((truth.click[row] ?? 0) + errors.of(0) + teacher.bias.ctr);
      }
      if (aim === POST_CLICK) {
        scores.cvr[row] = sigmoid((truth.conversion[row] ?? 0) + errors.of(1) + teacher.bias.conversion);
      }
      for (let e = 0; e < events.length; e += 1) {
        const values = events[e];
        if (values === undefined) continue;
        const inForce = !Number.isNaN(scalars[e] ?? Number.NaN);
        const logit = (truth.events[e]?.[row] ?? 0) + errors.of(EVENTS + e) + teacher.bias.quality;
        values[row] = inForce ? sigmoid(logit) : Number.NaN;
      }
    }
    return scores;
  }
}

function column(rows: number): Float32Array {
  return new Float32Array(rows).fill(Number.NaN);
}

/** The errors of a row's heads. */
class HeadErrors {
  readonly #pair: Float64Array;
  readonly #ad: Float64Array;
  readonly #own: number;
  readonly #common: number;

  constructor(
    private readonly candidates: Candidates,
    private readonly teacher: TeacherConfig,
    private readonly version: number,
  ) {
    const heads = EVENTS + candidates.system.truth.events.length;
    this.#pair = new Float64Array(heads);
    this.#ad = new Float64Array(teacher.adNoise > 0 ? heads : 0);
    this.#own = teacher.noise * Math.sqrt(1 - teacher.sharedNoise);
    this.#common = teacher.noise * Math.sqrt(teacher.sharedNoise);
  }

  draw(request: number, ad: number): void {
    const { draws } = this.candidates.system.world;
    draws.normals(PURPOSE.finalOracle, request, ad, this.#pair, this.version * BLOCKS_PER_TEACHER);
    if (this.#ad.length > 0) draws.normals(PURPOSE.finalAdNoise, this.version, ad, this.#ad);
  }

  of(head: number): number {
    const pair = this.#own * (this.#pair[head] ?? 0) + this.#common * (this.#pair[SHARED] ?? 0);
    return this.#ad.length > 0 ? pair + this.teacher.adNoise * (this.#ad[head] ?? 0) : pair;
  }
}

/** Which predictions of a model stand for the final stage's: `ctr`, `cvr`, `vtr`, or an event's name; by task. */
export type FinalTasks = Readonly<Record<string, string>>;

/** A trained model for some heads, another final stage for the others. */
export class ModelFinal implements FinalStage {
  /** @param tasks task of the model by head. */
  constructor(
    private readonly model: ScoringCallback,
    private readonly others: FinalStage,
    private readonly tasks: FinalTasks = { ctr: 'ctr' },
  ) {}

  async score(candidates: Candidates): Promise<FinalScores> {
    const scores = await this.others.score(candidates);
    const predictions = await this.model(scoringBatch(candidates));
    const replaced = (head: string, values: Float32Array): Float32Array => {
      const task = this.tasks[head];
      if (task === undefined) return values;
      const given = prediction(predictions, task, candidates.rows);
      return values.map((value, row) => (Number.isNaN(value) ? value : (given[row] ?? Number.NaN)));
    };
    const { events } = candidates.system.truth;
    return {
      ctr: replaced('ctr', scores.ctr),
      cvr: replaced('cvr', scores.cvr),
      vtr: replaced('vtr', scores.vtr),
      events: scores.events.map((values, e) => replaced(events[e]?.name ?? '', values)),
    };
  }
}
