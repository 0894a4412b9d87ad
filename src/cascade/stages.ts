/**
 * The stages of the cascade. Each is an interface with a built-in implementation beside it; a user's own takes its place in
 * `Stages`. Stages see column batches of whole requests. To keep runs reproducible a stage decides about a row by its
 * request, its ad and the seed alone, never by the batch.
 */
import type { Candidates, RequestBatch } from './candidates.js';

export type Awaitable<Value> = Value | Promise<Value>;

/** Which ads a request starts with. */
export interface Retrieval {
  retrieve(batch: RequestBatch): Awaitable<Candidates>;
}

/** Predictions of the early stage, one per candidate. */
export interface EarlyScores {
  /** What the early stage ranks by: its total value, or any score. */
  readonly value: Float32Array;
  /** pCTR and CQS, where the stage predicts them. */
  readonly ctr?: Float32Array;
  readonly cqs?: Float32Array;
}

/** A stage that may have a model. */
export interface MayHaveModel {
  /** Time that the model has taken in all calls so far, for reports that tell it apart from the oracles'. */
  readonly modelMilliseconds?: number;
}

export interface EarlyStage extends MayHaveModel {
  score(candidates: Candidates): Awaitable<EarlyScores>;
}

/** Predictions of the final stage, one per candidate; NaN where one does not apply. */
export interface FinalScores {
  /** In CTR traffic (objectives click and postClick). */
  readonly ctr: Float32Array;
  /** Objective postClick. */
  readonly cvr: Float32Array;
  /** Objective postImpression. */
  readonly vtr: Float32Array;
  /** Per event of `allEvents`; NaN while it is not in force. */
  readonly events: readonly Float32Array[];
}

/** The heavy models: teacher and source of labels. */
export interface FinalStage extends MayHaveModel {
  score(candidates: Candidates): Awaitable<FinalScores>;
}

/** What the auction makes of the final stage's predictions. */
export interface AuctionValues {
  /** Consolidated quality score Σ scalar · pEvent. */
  readonly cqs: Float32Array;
  /** bid · EAR, the action part of the total value. */
  readonly action: Float32Array;
  readonly totalValue: Float32Array;
}

export interface Auction {
  value(candidates: Candidates, scores: FinalScores): Awaitable<AuctionValues>;
}

/** What a user did with shown ads: 0 or 1 per candidate. */
export interface Feedback {
  readonly click: Uint8Array;
  readonly conversion: Uint8Array;
  /** Per event of `allEvents`: cross-outs, hides, reports, survey answers; 0 while it is not in force. */
  readonly events: readonly Uint8Array[];
}

export interface UserFeedback {
  observe(shown: Candidates): Awaitable<Feedback>;
}

export interface Stages {
  readonly retrieval: Retrieval;
  readonly early: EarlyStage;
  readonly final: FinalStage;
  readonly auction: Auction;
  readonly feedback: UserFeedback;
}
