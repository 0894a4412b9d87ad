/** Judges early stages on held-out requests of a simulated system: request sums of every arm. */
import { setImmediate as turn } from 'node:timers/promises';
import { PrerankError } from '../base/errors.js';
import type { Candidates } from '../cascade/candidates.js';
import { Cascade, createStages, type Scored } from '../cascade/cascade.js';
import { OracleFinal } from '../cascade/final.js';
import { loggedRows } from '../cascade/log-rows.js';
import { ctrTraffic } from '../cascade/scoring.js';
import { type Picked, topRows } from '../cascade/select.js';
import type { EarlyScores, EarlyStage, FinalStage } from '../cascade/stages.js';
import { logRequests } from '../cascade/stream.js';
import type { SimulatedSystem } from '../cascade/system.js';
import type { RequestMetric } from '../metrics/request-metric.js';
import { ArmOutcome } from './outcome.js';
import { type CascadeColumn, emptyRequestSums, type RequestSums } from './request-sums.js';

export interface JudgedArm {
  readonly name: string;
  readonly early: EarlyStage;
}

export interface JudgeOptions {
  /**
   * Instead of the simulated final stage. Held-out impressions are still won in the auctions of the simulated one: on those that a
   * model chose itself it is too confident, and could not be compared with others.
   */
  readonly final?: FinalStage;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** The quality event that is the Xout rate. */
const CROSS_OUT_EVENT = 'cross_out';

/** Probabilities nearer to 0 or 1 are clipped: float32 (metrics.md). */
const CLIP = 1e-7;

/**
 * Every arm meets the same requests, candidates, final-stage errors and users: those of the replay log in the cascade, and of
 * the evaluation log, which the system's own early stage logged, as held-out rows.
 *
 * @throws PrerankError CANCELLED soon after `signal` is aborted.
 */
export async function judgeArms(
  system: SimulatedSystem,
  arms: readonly JudgedArm[],
  options: JudgeOptions = {},
): Promise<Map<string, RequestSums>> {
  const { final, signal, onProgress } = options;
  const { requests, cascade: sizes, log } = system.config;
  const heldOut = requests.eval;
  const total = heldOut + requests.replay;
  const judged = arms.map((arm) => ({
    arm,
    sums: emptyRequestSums({ cascade: requests.replay, heldOut }),
    outcome: new ArmOutcome(system, requests.replay),
    cascade: new Cascade(system, createStages(system, { final, early: arm.early })),
  }));
  const logging = new Cascade(system, createStages(system, { final }));
  const neutral = new Cascade(system, createStages(system, { final: new OracleFinal() }));
  const advance = async (done: number): Promise<void> => {
    await turn();
    if (signal?.aborted) throw new PrerankError('CANCELLED', 'the experiment was interrupted');
    onProgress?.(done, total);
  };
  const { from: first, to: replayed } = logRequests(system.config, 'eval');
  for (const batch of system.requests(first, replayed)) {
    await advance(batch.first - first);
    const { candidates, shown, click } = await loggedRows(neutral, await neutral.serve(batch), log);
    const { values } = await logging.score(candidates);
    const rows = { candidates, values, shown, click, traffic: ctrTraffic(candidates) };
    for (const { arm, sums } of judged) addHeldOut(sums.heldOut, await arm.early.score(candidates), rows, first);
  }
  for (const batch of system.requests(replayed, replayed + requests.replay)) {
    await advance(batch.first - first);
    const retrieved = await logging.stages.retrieval.retrieve(batch);
    const recall = new RecallJudge(await logging.score(retrieved), sizes.golden ?? sizes.passed);
    const place = batch.first - replayed;
    for (const { cascade, outcome, sums } of judged) {
      const served = await cascade.serveRetrieved(retrieved);
      recall.add(sums.cascade, served.passed, place);
      outcome.add(served, place);
    }
  }
  onProgress?.(total, total);
  for (const { sums, outcome } of judged) setOutcome(sums.cascade, outcome);
  return new Map(judged.map(({ arm, sums }) => [arm.name, sums]));
}

interface HeldOutRows {
  readonly candidates: Candidates;
  readonly values: { readonly cqs: Float32Array };
  readonly shown: Uint8Array;
  readonly click: Uint8Array;
  readonly traffic: Uint8Array;
}

/** Log loss on impressions in CTR traffic, squared error of the CQS on all rows. */
function addHeldOut(sums: RequestSums['heldOut'], early: EarlyScores, rows: HeldOutRows, first: number): void {
  const { candidates, values, shown, click, traffic } = rows;
  for (let row = 0; row < candidates.rows; row += 1) {
    const request = (candidates.request[row] ?? 0) - first;
    if (early.cqs !== undefined) {
      add(sums.squared, request, ((early.cqs[row] ?? 0) - (values.cqs[row] ?? 0)) ** 2);
      add(sums.rows, request, 1);
    }
    if (early.ctr === undefined || shown[row] !== 1 || traffic[row] !== 1) continue;
    const predicted = early.ctr[row] ?? Number.NaN;
    const clipped = Math.min(1 - CLIP, Math.max(CLIP, predicted));
    add(sums.loss, request, click[row] === 1 ? -Math.log(clipped) : -Math.log1p(-clipped));
    add(sums.judged, request, 1);
    add(sums.clicked, request, click[row] ?? 0);
    add(sums.predicted, request, predicted);
  }
}

function add(column: Float64Array, request: number, value: number): void {
  column[request] = (column[request] ?? 0) + value;
}

/** How much of what the final stage would have picked, were every candidate scored by it, the arms pass on. */
class RecallJudge {
  readonly #golden: Picked;
  readonly #isGolden: Uint8Array;
  readonly #totalValue: Float32Array;

  constructor({ candidates, values }: Scored, k: number) {
    this.#totalValue = values.totalValue;
    this.#golden = topRows(values.totalValue, candidates.offsets, k);
    this.#isGolden = new Uint8Array(candidates.rows);
    for (const row of this.#golden.rows) this.#isGolden[row] = 1;
  }

  /** @param first place of the batch's first request. */
  add(sums: RequestSums['cascade'], passed: Picked, first: number): void {
    for (let i = 0; i + 1 < passed.offsets.length; i += 1) {
      const picked = rowsOf(passed, i);
      const golden = rowsOf(this.#golden, i);
      const whole = this.#value(golden);
      if (whole > 0) {
        add(sums.soft, first + i, this.#value(picked) / whole);
        add(sums.softDefined, first + i, 1);
      }
      for (const row of picked) add(sums.hits, first + i, this.#isGolden[row] ?? 0);
      add(sums.golden, first + i, golden.length);
    }
  }

  #value(rows: Uint32Array): number {
    return rows.reduce((total, row) => total + (this.#totalValue[row] ?? 0), 0);
  }
}

function rowsOf({ rows, offsets }: Picked, request: number): Uint32Array {
  return rows.subarray(offsets[request], offsets[request + 1]);
}

/** What the arm's cascade did to its users. */
function setOutcome(sums: RequestSums['cascade'], outcome: ArmOutcome): void {
  const { estimated, expected, sampled } = outcome.metrics();
  const set = (metric: RequestMetric | undefined, numerator: CascadeColumn, denominator?: CascadeColumn): void => {
    if (metric === undefined || !('numerator' in metric)) return;
    sums[numerator].set(metric.numerator);
    if (denominator !== undefined) sums[denominator].set(metric.denominator);
  };
  set(expected.ctr, 'clicks', 'impressions');
  set(expected.cvr, 'conversions');
  set(expected[CROSS_OUT_EVENT], 'crossOuts');
  set(estimated.asq, 'survey', 'surveyed');
  set(estimated.totalValue, 'value');
  set(estimated.tvd, 'difference', 'size');
  set(sampled.ctr, 'sampledClicks');
  set(sampled.cvr, 'sampledConversions');
  set(sampled[CROSS_OUT_EVENT], 'sampledCrossOuts');
}
