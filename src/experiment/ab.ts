/**
 * Online comparison: arms drive the whole cascade on the same requests, candidates, final-stage errors and users, so that they differ by
 * what their early stages pass on alone.
 */
import { PrerankError } from '../base/errors.js';
import { Cascade, createStages } from '../cascade/cascade.js';
import { SampledRetrieval } from '../cascade/retrieval.js';
import type { Stages } from '../cascade/stages.js';
import { logRequests } from '../cascade/stream.js';
import type { SimulatedSystem } from '../cascade/system.js';
import { type PairedDifference, pairedDifferences, percentile, relativeChange } from '../metrics/index.js';
import type { Arm } from './arms.js';
import { ArmOutcome, BASES, type Basis } from './outcome.js';
import type { ServingCost } from './serving-cost.js';
import { servingSeconds } from './serving-time.js';

export interface ServeArmsOptions {
  /** Requests to serve; default: as many as a replay log has. */
  readonly requests?: number;
  /** Number of the first in the stream; default: the first behind all logs, which no arm was trained on. */
  readonly first?: number;
  /** Stages other than the early one that take the place of the built-in ones; needed where the configuration names a run. */
  readonly stages?: Partial<Omit<Stages, 'early'>>;
  readonly signal?: AbortSignal;
  readonly onProgress?: (served: number, requests: number) => void;
}

/** The first request behind the logs of a system. */
export function firstFreshRequest({ config }: SimulatedSystem): number {
  return logRequests(config, 'replay').to;
}

/**
 * Serves the same requests with every arm, in batches; only sums per request are kept.
 * @throws PrerankError CANCELLED soon after `signal` is aborted.
 */
export async function serveArms(
  system: SimulatedSystem,
  arms: readonly Arm[],
  options: ServeArmsOptions = {},
): Promise<ArmOutcome[]> {
  const { requests = system.config.requests.replay, first = firstFreshRequest(system), signal, onProgress } = options;
  const cascades = arms.map(({ early }) => new Cascade(system, createStages(system, { ...options.stages, early })));
  const retrieval = options.stages?.retrieval ?? new SampledRetrieval(system);
  const outcomes = arms.map(() => new ArmOutcome(system, requests));
  for (const batch of system.requests(first, first + requests)) {
    if (signal?.aborted) throw new PrerankError('CANCELLED', 'the comparison was interrupted');
    const retrieved = await retrieval.retrieve(batch);
    for (const [i, cascade] of cascades.entries()) {
      outcomes[i]?.add(await cascade.serveRetrieved(retrieved), batch.first - first);
    }
    onProgress?.(batch.first - first + batch.users.length, requests);
  }
  return outcomes;
}

export interface CompareArmsOptions extends ServeArmsOptions {
  /** Chooses the resamples; and, without `first`, which fresh requests are served: each seed has its own. Default 0. */
  readonly seed?: number;
  /** Default 1000. */
  readonly resamples?: number;
}

/** A metric of the control (a) and the treatment (b). */
export interface ComparedMetric extends PairedDifference {
  readonly basis: Basis;
}

export interface ComparedCost {
  readonly metric: 'flops' | 'flopsAdsCached' | 'embeddingBytes' | 'embeddingBytesAdsCached' | 'cpuSeconds';
  /** Per request, of the control and the treatment. */
  readonly a: number;
  readonly b: number;
  /** b / a − 1, of CPU time the median over rounds; null where a is 0. */
  readonly relative: number | null;
  /** 95 % interval of `relative`. What is counted is the same for every request. */
  readonly relativeLow: number | null;
  readonly relativeHigh: number | null;
}

export interface ArmSummary {
  readonly name: string;
  /** Null for an arm without runs. */
  readonly serving: ArmServing | null;
}

export interface ArmServing extends ServingCost {
  /** Measured CPU time per request: the median over rounds in which the arms took turns, and each round. */
  readonly cpuSeconds: number;
  readonly cpuSecondsByRound: readonly number[];
}

export interface TreatmentResult {
  readonly name: string;
  readonly metrics: readonly ComparedMetric[];
  /** Empty when an arm is no trained model. */
  readonly costs: readonly ComparedCost[];
}

export interface AbResult {
  readonly requests: number;
  /** Number of the first request in the stream. */
  readonly first: number;
  readonly seed: number;
  readonly resamples: number;
  readonly control: ArmSummary;
  readonly arms: readonly ArmSummary[];
  /** Every other arm against the control. */
  readonly treatments: readonly TreatmentResult[];
}

const RESAMPLES = 1000;

/**
 * Compares arms with the first of them, the control: differences paired over requests with 95 % bootstrap intervals.
 * @throws PrerankError INVALID_ARGUMENT without arms, or when the stream has no fresh requests for the seed; CANCELLED.
 */
export async function compareArms(
  system: SimulatedSystem,
  arms: readonly Arm[],
  options: CompareArmsOptions = {},
): Promise<AbResult> {
  const { requests = system.config.requests.replay, seed = 0, resamples = RESAMPLES } = options;
  const first = options.first ?? freshRequests(system, requests, seed);
  const outcomes = await serveArms(system, arms, { ...options, requests, first });
  const rounds = await servingSeconds(arms, system, first);
  const candidates = system.config.cascade.retrieved;
  const summaries = arms.map((arm, i): ArmSummary => {
    const seconds = rounds[i] ?? new Float64Array();
    return { name: arm.name, serving: arm.served.length === 0 ? null : servingOf(arm, candidates, seconds) };
  });
  const [control, ...others] = summaries;
  const [controlOutcome, ...otherOutcomes] = outcomes;
  if (control === undefined || controlOutcome === undefined) {
    throw new PrerankError('INVALID_ARGUMENT', 'a comparison needs a control');
  }
  const treatments = others.flatMap((summary, i) => {
    const outcome = otherOutcomes[i];
    if (outcome === undefined) return [];
    const metrics = comparedMetrics(controlOutcome, outcome, { seed, resamples });
    const costs = comparedCosts(control.serving, summary.serving);
    return [{ name: summary.name, metrics, costs }];
  });
  return { requests, first, seed, resamples, control, arms: summaries, treatments };
}

/** Requests of the stream have 32-bit numbers. */
const MAX_REQUESTS = 2 ** 32;

function freshRequests(system: SimulatedSystem, requests: number, seed: number): number {
  const first = firstFreshRequest(system) + seed * requests;
  if (first + requests <= MAX_REQUESTS) return first;
  throw new PrerankError('INVALID_ARGUMENT', `seed ${seed}: there are no ${requests} requests left in the stream`);
}

function comparedMetrics(
  control: ArmOutcome,
  treatment: ArmOutcome,
  bootstrap: { readonly seed: number; readonly resamples: number },
): ComparedMetric[] {
  const [a, b] = [control.metrics(), treatment.metrics()];
  return BASES.flatMap((basis) =>
    pairedDifferences(a[basis], b[basis], bootstrap).map((difference) => ({ ...difference, basis })),
  );
}

function servingOf(arm: Arm, candidates: number, rounds: Float64Array): ArmServing {
  return { ...arm.cost(candidates), cpuSeconds: percentile(rounds, 0.5), cpuSecondsByRound: [...rounds] };
}

function comparedCosts(control: ArmServing | null, treatment: ArmServing | null): ComparedCost[] {
  if (control === null || treatment === null) return [];
  return [...countedCosts(control, treatment), comparedTime(control, treatment)];
}

function countedCosts(control: ArmServing, treatment: ArmServing): ComparedCost[] {
  const names = ['flops', 'flopsAdsCached', 'embeddingBytes', 'embeddingBytesAdsCached'] as const;
  return names.map((metric) => {
    const [a, b] = [control.perRequest[metric], treatment.perRequest[metric]];
    const { value } = relativeChange(b, a);
    return { metric, a, b, relative: value, relativeLow: value, relativeHigh: value };
  });
}

/** How many of nine rounds may lie outside on either side: ranks 2 to 8 hold the median with 96 % confidence. */
const OUTSIDE = 1;

function comparedTime(control: ArmServing, treatment: ArmServing): ComparedCost {
  const changes = treatment.cpuSecondsByRound
    .map((seconds, round) => relativeChange(seconds, control.cpuSecondsByRound[round] ?? 0).value ?? Number.NaN)
    .sort((a, b) => a - b);
  const at = (rank: number): number | null => (changes.some(Number.isNaN) ? null : (changes.at(rank) ?? null));
  return {
    metric: 'cpuSeconds',
    a: control.cpuSeconds,
    b: treatment.cpuSeconds,
    relative: at((changes.length - 1) / 2),
    relativeLow: at(OUTSIDE),
    relativeHigh: at(-1 - OUTSIDE),
  };
}
