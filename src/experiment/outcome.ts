/** What an arm's cascade did to its users, as sums per request: the metrics of an A/B comparison (framework.md §6.4). */
import type { Served } from '../cascade/cascade.js';
import { expectedFeedback } from '../cascade/feedback.js';
import type { SimulatedSystem } from '../cascade/system.js';
import { OBJECTIVES } from '../data/plan-columns.js';
import type { RequestMetric } from '../metrics/index.js';

/** The quality event whose estimate is the survey score (ASQ). */
export const SURVEY_EVENT = 'survey_good';

const POST_IMPRESSION = OBJECTIVES.indexOf('postImpression');

/** `estimated`: by the final stage's predictions. `expected`: by the true probabilities. `sampled`: what users did. */
export const BASES = ['estimated', 'expected', 'sampled'] as const;

export type Basis = (typeof BASES)[number];

/** Sums over a request's impressions, [requests] each. */
interface Outcomes {
  readonly clicks: Float64Array;
  readonly conversions: Float64Array;
  /** Those after a click. */
  readonly clickConversions: Float64Array;
  /** Per event of the system. */
  readonly events: readonly Float64Array[];
}

export class ArmOutcome {
  readonly #impressions: Float64Array;
  readonly #totalValue: Float64Array;
  /** Of the final stage's estimates, where the survey is in force. */
  readonly #surveyScore: Float64Array;
  readonly #surveyed: Float64Array;
  /** Σ|final − early| and Σ|final| over what the early stage passed on. */
  readonly #difference: Float64Array;
  readonly #size: Float64Array;
  readonly #outcomes: Readonly<Record<'expected' | 'sampled', Outcomes>>;
  readonly #events: readonly string[];

  constructor(system: SimulatedSystem, requests: number) {
    const column = (): Float64Array => new Float64Array(requests);
    const outcomes = (): Outcomes => ({
      clicks: column(),
      conversions: column(),
      clickConversions: column(),
      events: system.truth.events.map(column),
    });
    this.#impressions = column();
    this.#totalValue = column();
    this.#surveyScore = column();
    this.#surveyed = column();
    this.#difference = column();
    this.#size = column();
    this.#outcomes = { expected: outcomes(), sampled: outcomes() };
    this.#events = system.truth.events.map(({ name }) => name);
  }

  /** @param first place of the batch's first request among all `requests`. */
  add(served: Served, first: number): void {
    const { auction, shown, impressions, feedback, early, passed } = served;
    const { totalValue } = auction.values;
    const survey = auction.scores.events[this.#events.indexOf(SURVEY_EVENT)];
    forEachRow(shown.offsets, first, (request, row) => {
      const place = shown.rows[row] ?? 0;
      addTo(this.#impressions, request, 1);
      addTo(this.#totalValue, request, totalValue[place]);
      const score = survey?.[place];
      if (score !== undefined && !Number.isNaN(score)) {
        addTo(this.#surveyScore, request, score);
        addTo(this.#surveyed, request, 1);
      }
    });
    forEachRow(passed.offsets, first, (request, row) => {
      const final = totalValue[row] ?? Number.NaN;
      const estimated = early.ctr === undefined ? Number.NaN : early.value[passed.rows[row] ?? 0];
      addTo(this.#difference, request, Math.abs(final - (estimated ?? Number.NaN)));
      addTo(this.#size, request, Math.abs(final));
    });
    const objectives = impressions.objective;
    this.#addOutcomes('expected', expectedFeedback(impressions), shown.offsets, first, objectives);
    this.#addOutcomes('sampled', feedback, shown.offsets, first, objectives);
  }

  #addOutcomes(
    basis: 'expected' | 'sampled',
    happened: Happened,
    offsets: Uint32Array,
    first: number,
    objectives: Uint8Array,
  ): void {
    const { clicks, conversions, clickConversions, events } = this.#outcomes[basis];
    forEachRow(offsets, first, (request, row) => {
      addTo(clicks, request, happened.click[row]);
      addTo(conversions, request, happened.conversion[row]);
      if (objectives[row] !== POST_IMPRESSION) addTo(clickConversions, request, happened.conversion[row]);
      for (const [e, sums] of events.entries()) addTo(sums, request, happened.events[e]?.[row]);
    });
  }

  /**
   * By name. `estimated`: `totalValue` (mean over impressions), `asq` (mean survey score of impressions) and `tvd` (undefined for an
   * arm that ranks by anything but a total value). `expected` and `sampled`: `ctr`, `cvr` (conversions per impression),
   * `cvrPerClick` (those after a click, per click), and the rate per impression of every quality event in force.
   */
  metrics(): Readonly<Record<Basis, Readonly<Record<string, RequestMetric>>>> {
    return {
      estimated: {
        totalValue: this.#perImpression(this.#totalValue),
        asq: { numerator: this.#surveyScore, denominator: this.#surveyed },
        tvd: { numerator: this.#difference, denominator: this.#size },
      },
      expected: this.#rates('expected'),
      sampled: this.#rates('sampled'),
    };
  }

  #perImpression(numerator: Float64Array): RequestMetric {
    return { numerator, denominator: this.#impressions };
  }

  #rates(basis: 'expected' | 'sampled'): Readonly<Record<string, RequestMetric>> {
    const { clicks, conversions, clickConversions, events } = this.#outcomes[basis];
    const inForce = (e: number): boolean => this.#outcomes.expected.events[e]?.some(Number.isNaN) === false;
    const rates = events.flatMap((sums, e) =>
      inForce(e) ? [[this.#events[e] ?? '', this.#perImpression(sums)] as const] : [],
    );
    return {
      ctr: this.#perImpression(clicks),
      cvr: this.#perImpression(conversions),
      cvrPerClick: { numerator: clickConversions, denominator: clicks },
      ...Object.fromEntries(rates),
    };
  }
}

interface Happened {
  readonly click: ArrayLike<number>;
  readonly conversion: ArrayLike<number>;
  readonly events: readonly ArrayLike<number>[];
}

function forEachRow(offsets: Uint32Array, first: number, visit: (request: number, row: number) => void): void {
  for (let i = 0; i + 1 < offsets.length; i += 1) {
    for (let row = offsets[i] ?? 0; row < (offsets[i + 1] ?? 0); row += 1) visit(first + i, row);
  }
}

function addTo(sums: Float64Array, place: number, value: number | undefined): void {
  sums[place] = (sums[place] ?? 0) + (value ?? Number.NaN);
}
