/** Which candidates of served requests are logged, with all that the system knows about them. */
import { STAGES } from '../config/types.js';
import { type Candidates, gather } from './candidates.js';
import type { Cascade, Scored, Served } from './cascade.js';
import { type Draws, integer, PURPOSE } from './random.js';
import type { AuctionValues, FinalScores } from './stages.js';

/** Null of a 0/1 column. */
export const NULL_FLAG = 255;

/** Logged rows in the order of request and ad, one value a row. */
export interface LoggedRows {
  readonly candidates: Candidates;
  readonly scores: FinalScores;
  readonly values: AuctionValues;
  /** Furthest stage reached: index into STAGES. */
  readonly stage: Uint8Array;
  readonly shown: Uint8Array;
  /** NULL_FLAG where the ad was not shown. */
  readonly click: Uint8Array;
  readonly conversion: Uint8Array;
  /** NULL_FLAG where the ad was not shown or the event was not in force. */
  readonly events: readonly Uint8Array[];
}

/** `complete`: every candidate, as for replay. Else that many non-impressions per request of either pool. */
export type Selection = 'complete' | { readonly final: number; readonly early: number };

/**
 * The rows that a system logs of served requests: all impressions, and non-impressions. Those that the early stage did not pass on
 * are scored by the final stage in the background.
 */
export async function loggedRows(cascade: Cascade, served: Served, selection: Selection): Promise<LoggedRows> {
  const { retrieved, passed, auction, shown } = served;
  const { draws } = cascade.system.world;
  const isPassed = flags(retrieved.rows, passed.rows);
  const isShown = flags(auction.candidates.rows, shown.rows);
  const samples = { draws, first: retrieved.batch.first };
  const background = sampleUnflagged(
    { ...samples, stream: 0 },
    isPassed,
    retrieved.offsets,
    selection === 'complete' ? retrieved.rows : selection.early,
  );
  const unseen = sampleUnflagged(
    { ...samples, stream: 1 },
    isShown,
    passed.offsets,
    selection === 'complete' ? auction.candidates.rows : selection.final,
  );
  const scored = concatScored(auction, await cascade.score(retrieved.select(background)));
  const places = new Int32Array(retrieved.rows).fill(-1);
  for (const row of shown.rows) places[passed.rows[row] ?? 0] = row;
  for (const row of unseen) places[passed.rows[row] ?? 0] = row;
  for (const [i, row] of background.entries()) places[row] = auction.candidates.rows + i;
  const rows = placedRows(places);
  return assemble(served, retrieved.select(rows), scored, gather(new Uint32Array(places), rows));
}

function flags(count: number, rows: Uint32Array): Uint8Array {
  const flagged = new Uint8Array(count);
  for (const row of rows) flagged[row] = 1;
  return flagged;
}

interface Samples {
  readonly draws: Draws;
  /** Number of the batch's first request. */
  readonly first: number;
  /** Tells the pools apart. */
  readonly stream: number;
}

/** Of each request, `count` of the rows without a flag, uniformly; ascending. */
function sampleUnflagged(samples: Samples, flagged: Uint8Array, offsets: Uint32Array, count: number): Uint32Array {
  const sampled = new Uint32Array(flagged.length);
  let taken = 0;
  for (let i = 0; i + 1 < offsets.length; i += 1) {
    let end = taken;
    for (let row = offsets[i] ?? 0; row < (offsets[i + 1] ?? 0); row += 1) {
      if (flagged[row] === 0) {
        sampled[end] = row;
        end += 1;
      }
    }
    const pool = sampled.subarray(taken, end);
    if (pool.length > count) partialShuffle(samples, samples.first + i, pool, count);
    pool.subarray(0, count).sort();
    taken += Math.min(pool.length, count);
  }
  return sampled.slice(0, taken);
}

/** Puts a uniform sample of `count` rows in front. */
function partialShuffle({ draws, stream }: Samples, request: number, pool: Uint32Array, count: number): void {
  for (let place = 0; place < count; place += 1) {
    const word = draws.words(PURPOSE.logged, request, stream, Math.floor(place / 4))[place % 4] ?? 0;
    const other = place + integer(word, pool.length - place);
    const moved = pool[other] ?? 0;
    pool[other] = pool[place] ?? 0;
    pool[place] = moved;
  }
}

/** The rows that have a place. */
function placedRows(places: Int32Array): Uint32Array {
  const rows = new Uint32Array(places.length);
  let count = 0;
  for (let row = 0; row < places.length; row += 1) {
    if ((places[row] ?? -1) >= 0) {
      rows[count] = row;
      count += 1;
    }
  }
  return rows.slice(0, count);
}

type ScoredColumns = Omit<Scored, 'candidates'>;

function concatScored(a: Scored, b: Scored): ScoredColumns {
  return {
    scores: {
      ctr: concat(a.scores.ctr, b.scores.ctr),
      cvr: concat(a.scores.cvr, b.scores.cvr),
      vtr: concat(a.scores.vtr, b.scores.vtr),
      events: a.scores.events.map((values, e) => concat(values, b.scores.events[e] ?? new Float32Array(0))),
    },
    values: {
      cqs: concat(a.values.cqs, b.values.cqs),
      action: concat(a.values.action, b.values.action),
      totalValue: concat(a.values.totalValue, b.values.totalValue),
    },
  };
}

function concat(a: Float32Array, b: Float32Array): Float32Array {
  const joined = new Float32Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}

const STAGE = {
  early: STAGES.indexOf('early'),
  auction: STAGES.indexOf('auction'),
  impression: STAGES.indexOf('impression'),
  click: STAGES.indexOf('click'),
  conversion: STAGES.indexOf('conversion'),
} as const;

/** @param places of each logged row in `scored`: first those of the auction, then those of the background. */
function assemble(served: Served, candidates: Candidates, scored: ScoredColumns, places: Uint32Array): LoggedRows {
  const { auction, shown, feedback } = served;
  const { rows } = candidates;
  const impressionOf = new Int32Array(auction.candidates.rows).fill(-1);
  for (const [i, row] of shown.rows.entries()) impressionOf[row] = i;
  const impressions = new Int32Array(rows);
  for (let row = 0; row < rows; row += 1) impressions[row] = impressionOf[places[row] ?? 0] ?? -1;
  const isShown = new Uint8Array(rows);
  for (let row = 0; row < rows; row += 1) isShown[row] = (impressions[row] ?? -1) < 0 ? 0 : 1;
  const outcome = (values: Uint8Array): Uint8Array => {
    const column = new Uint8Array(rows);
    for (let row = 0; row < rows; row += 1) {
      const i = impressions[row] ?? -1;
      column[row] = i < 0 ? NULL_FLAG : (values[i] ?? NULL_FLAG);
    }
    return column;
  };
  const click = outcome(feedback.click);
  const conversion = outcome(feedback.conversion);
  const stage = new Uint8Array(rows);
  for (let row = 0; row < rows; row += 1) {
    if ((impressions[row] ?? -1) < 0) {
      stage[row] = (places[row] ?? 0) < auction.candidates.rows ? STAGE.auction : STAGE.early;
    } else if (conversion[row] === 1) stage[row] = STAGE.conversion;
    else stage[row] = click[row] === 1 ? STAGE.click : STAGE.impression;
  }
  const { scores, values } = scored;
  return {
    candidates,
    scores: {
      ctr: gather(scores.ctr, places),
      cvr: gather(scores.cvr, places),
      vtr: gather(scores.vtr, places),
      events: scores.events.map((column) => gather(column, places)),
    },
    values: {
      cqs: gather(values.cqs, places),
      action: gather(values.action, places),
      totalValue: gather(values.totalValue, places),
    },
    stage,
    shown: isShown,
    click,
    conversion,
    events: feedback.events.map((column, e) => {
      const inForce = !Number.isNaN(candidates.batch.phase.scalars[e] ?? Number.NaN);
      return inForce ? outcome(column) : new Uint8Array(rows).fill(NULL_FLAG);
    }),
  };
}
