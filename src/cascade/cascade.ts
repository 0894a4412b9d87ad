/** The whole cascade: retrieval → early stage → final stage → auction → user feedback. */
import { PrerankError } from '../base/errors.js';
import { TotalValueAuction } from './auction.js';
import type { Candidates, RequestBatch } from './candidates.js';
import { loggingEarly } from './early.js';
import { SampledFeedback } from './feedback.js';
import { OracleFinal } from './final.js';
import { SampledRetrieval } from './retrieval.js';
import { type Picked, topRows } from './select.js';
import type { AuctionValues, EarlyScores, Feedback, FinalScores, Stages } from './stages.js';
import type { SimulatedSystem } from './system.js';

/** Candidates that the final stage scored. */
export interface Scored {
  readonly candidates: Candidates;
  readonly scores: FinalScores;
  readonly values: AuctionValues;
}

/** What happened in a batch of requests. Rows of `passed` are of `retrieved`, rows of `shown` are of `auction.candidates`. */
export interface Served {
  readonly retrieved: Candidates;
  readonly early: EarlyScores;
  /** What the early stage passed on. */
  readonly passed: Picked;
  /** The passed candidates in the auction. */
  readonly auction: Scored;
  readonly shown: Picked;
  readonly impressions: Candidates;
  readonly feedback: Feedback;
}

/**
 * The stages of the configured system; those given take the place of the built-in ones.
 * @throws PrerankError INVALID_ARGUMENT when the configuration names a run for a stage that is not given: the cascade opens no runs.
 */
export function createStages(system: SimulatedSystem, own: Partial<Stages> = {}): Stages {
  const { config } = system;
  if (own.early === undefined) requireNoRun('early', config.early);
  if (own.final === undefined) requireNoRun('teacher', config.teacher);
  return {
    retrieval: own.retrieval ?? new SampledRetrieval(system),
    early: own.early ?? loggingEarly(system, config),
    final: own.final ?? new OracleFinal(),
    auction: own.auction ?? new TotalValueAuction(),
    feedback: own.feedback ?? new SampledFeedback(),
  };
}

function requireNoRun(stage: string, { run }: { readonly run?: string }): void {
  if (run === undefined) return;
  throw new PrerankError('INVALID_ARGUMENT', `${stage}.run: ${run} must be opened and given as a stage`, {
    path: `${stage}.run`,
  });
}

export class Cascade {
  constructor(
    readonly system: SimulatedSystem,
    readonly stages: Stages = createStages(system),
  ) {}

  async serve(batch: RequestBatch): Promise<Served> {
    return this.serveRetrieved(await this.stages.retrieval.retrieve(batch));
  }

  /** From the early stage on, so that several cascades can start with the same candidates. */
  async serveRetrieved(retrieved: Candidates): Promise<Served> {
    const { cascade: sizes } = this.system.config;
    const early = await this.stages.early.score(retrieved);
    const passed = topRows(early.value, retrieved.offsets, sizes.passed);
    const auction = await this.score(retrieved.select(passed.rows));
    const shown = topRows(auction.values.totalValue, auction.candidates.offsets, sizes.shown);
    const impressions = auction.candidates.select(shown.rows);
    const feedback = await this.stages.feedback.observe(impressions);
    return { retrieved, early, passed, auction, shown, impressions, feedback };
  }

  /** The final stage's predictions and the auction's values of any candidates, passed on or not. */
  async score(candidates: Candidates): Promise<Scored> {
    const scores = await this.stages.final.score(candidates);
    return { candidates, scores, values: await this.stages.auction.value(candidates, scores) };
  }
}
