/** Final stages: the truth with the teacher's errors, or a trained model. */
import { OBJECTIVES } from '../data/plan-columns.js';
import type { Candidates } from './candidates.js';
import type { TeacherConfig } from './config.js';
import { type Draws, PURPOSE, sigmoid } from './random.js';
import { prediction, type ScoringCallback, TimedModel } from './scoring.js';
import type { FinalScores, FinalStage } from './stages.js';

const POST_CLICK = OBJECTIVES.indexOf('postClick');
const POST_IMPRESSION = OBJECTIVES.indexOf('postImpression');

/** Normals of a row: the head of the objective (CTR or VTR), CVR, what the heads share, then one per event. */
const ACTION = 0;
const CONVERSION = 1;
const SHARED = 2;
const EVENTS = 3;

/** Blocks of random words of one final stage; the next one's start behind them. */
const BLOCKS_PER_TEACHER = 1024;

/**
 * True logits plus errors (reproduction.md §1): N(0, noise) per pair and head, of whose variance `sharedNoise` is common to
 * the heads; N(0, adNoise) per ad and head, the same in every request; and a bias. All change with the phase's teacher.
 */
export class OracleFinal implements FinalStage {
  score(candidates: Candidates): FinalScores {
    const { truth, batch, rows, objective, request, ad } = candidates;
    const { teacher, teacherVersion, scalars } = batch.phase;
    const { bias } = teacher;
    const events = truth.events.map(() => column(rows));
    const scores = { ctr: column(rows), cvr: column(rows), vtr: column(rows), events };
    const inForce = [...events.keys()].filter((e) => !Number.isNaN(scalars[e] ?? Number.NaN));
    const errors = new HeadErrors(candidates, teacher, teacherVersion);
    const { values } = errors;
    for (let row = 0; row < rows; row += 1) {
      errors.draw(request[row] ?? 0, ad[row] ?? 0);
      const aim = objective[row];
      const action = values[ACTION] ?? 0;
      if (aim === POST_IMPRESSION) {
        scores.vtr[row] = sigmoid((truth.viewThrough[row] ?? 0) + action + bias.conversion);
      } else {
        scores.ctr[row] = sigmoid((truth.click[row] ?? 0) + action + bias.ctr);
      }
      if (aim === POST_CLICK) {
        scores.cvr[row] = sigmoid((truth.conversion[row] ?? 0) + (values[CONVERSION] ?? 0) + bias.conversion);
      }
      for (let k = 0; k < inForce.length; k += 1) {
        const e = inForce[k] ?? 0;
        const logits = truth.events[e];
        const predictions = events[e];
        if (logits === undefined || predictions === undefined) continue;
        predictions[row] = sigmoid((logits[row] ?? 0) + (values[EVENTS + e] ?? 0) + bias.quality);
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
  /** Of the last `draw`, by place. */
  readonly values: Float64Array;
  readonly #draws: Draws;
  readonly #ofAd: Float64Array;
  readonly #own: number;
  readonly #common: number;

  constructor(
    { system }: Candidates,
    private readonly teacher: TeacherConfig,
    private readonly version: number,
  ) {
    const places = EVENTS + system.truth.events.length;
    this.#draws = system.world.draws;
    this.values = new Float64Array(places);
    this.#ofAd = new Float64Array(teacher.adNoise > 0 ? places : 0);
    this.#own = teacher.noise * Math.sqrt(1 - teacher.sharedNoise);
    this.#common = teacher.noise * Math.sqrt(teacher.sharedNoise);
  }

  draw(request: number, ad: number): void {
    const { values } = this;
    this.#draws.normals(PURPOSE.finalOracle, request, ad, values, this.version * BLOCKS_PER_TEACHER);
    const common = this.#common * (values[SHARED] ?? 0);
    for (let i = 0; i < values.length; i += 1) values[i] = this.#own * (values[i] ?? 0) + common;
    if (this.#ofAd.length === 0) return;
    this.#draws.normals(PURPOSE.finalAdNoise, this.version, ad, this.#ofAd);
    for (let i = 0; i < values.length; i += 1) {
      values[i] = (values[i] ?? 0) + this.teacher.adNoise * (this.#ofAd[i] ?? 0);
    }
  }
}

/** Which predictions of a model stand for the final stage's: `ctr`, `cvr`, `vtr`, or an event's name; by task. */
export type FinalTasks = Readonly<Record<string, string>>;

/** A trained model for some heads, another final stage for the others. */
export class ModelFinal implements FinalStage {
  readonly #model: TimedModel;

  /** @param tasks task of the model by head. */
  constructor(
    model: ScoringCallback,
    private readonly others: FinalStage,
    private readonly tasks: FinalTasks = { ctr: 'ctr' },
  ) {
    this.#model = new TimedModel(model);
  }

  get modelMilliseconds(): number {
    return this.#model.milliseconds;
  }

  async score(candidates: Candidates): Promise<FinalScores> {
    const scores = await this.others.score(candidates);
    const predictions = await this.#model.score(candidates);
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
