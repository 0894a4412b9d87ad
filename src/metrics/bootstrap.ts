/** Bootstrap over requests: how far metrics could be off had other requests been logged (metrics.md, general rules). */
import { Philox, philoxKey } from '../base/philox.js';
import { percentile } from './percentile.js';
import { MetricInputError } from './value.js';

/** Bounds of a 95 % interval; null where a metric is undefined on a resample. */
export interface Interval {
  readonly low: number | null;
  readonly high: number | null;
}

/** A metric as Σ numerator / Σ denominator over requests. A mean has denominators of 1, and 0 where a request is skipped. */
export interface RequestRatio {
  readonly numerator: Float64Array;
  readonly denominator: Float64Array;
}

export interface BootstrapOptions {
  /** At least 1000 for a 95 % interval. */
  readonly resamples: number;
  readonly seed: number;
}

/** Keeps the draws apart from others of the same seed. */
const STREAM = 0x626f6f74;
const LOW = 0.025;
const HIGH = 0.975;

/**
 * Percentile intervals of metrics over resamples of the requests with replacement. Every metric sees the same
 * resamples, so that metrics of two arms over the same requests are paired. The same seed gives the same intervals.
 * Takes requests · resamples draws.
 */
export function bootstrapIntervals(
  metrics: Readonly<Record<string, RequestRatio>>,
  options: BootstrapOptions,
): Record<string, Interval> {
  const { resamples } = options;
  if (!Number.isSafeInteger(resamples) || resamples < 1) {
    throw new MetricInputError('bootstrap', `resamples must be a positive integer, got ${resamples}`);
  }
  const names = Object.keys(metrics);
  const ratios = Object.values(metrics);
  const requests = ratios[0]?.numerator.length ?? 0;
  if (ratios.some(({ numerator, denominator }) => [numerator.length, denominator.length].some((n) => n !== requests))) {
    throw new MetricInputError('bootstrap', 'the metrics are not of the same requests');
  }
  const values = ratios.map(() => new Float64Array(resamples));
  const counts = new Uint16Array(requests);
  const random = new Philox(philoxKey(options.seed));
  for (let resample = 0; resample < resamples; resample += 1) {
    resampleInto(counts, resample, random);
    for (const [m, { numerator, denominator }] of ratios.entries()) {
      (values[m] as Float64Array)[resample] = weighted(numerator, counts) / weighted(denominator, counts);
    }
  }
  return Object.fromEntries(names.map((name, m) => [name, interval(values[m] ?? new Float64Array())]));
}

/** How often each request is drawn. Words depend on (seed, resample, draw) alone. */
function resampleInto(counts: Uint16Array, resample: number, random: Philox): void {
  const requests = counts.length;
  counts.fill(0);
  for (let i = 0; i < requests; i += 1) {
    const lane = i % random.words.length;
    if (lane === 0) {
      random.draw(i / random.words.length, resample, STREAM, 0);
    }
    // Below 2^32 requests, each is drawn with its share of the words up to 2^-32.
    const picked = Math.floor(((random.words[lane] ?? 0) / 2 ** 32) * requests);
    counts[picked] = (counts[picked] ?? 0) + 1;
  }
}

function weighted(values: Float64Array, counts: Uint16Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i += 1) {
    sum += (values[i] ?? 0) * (counts[i] ?? 0);
  }
  return sum;
}

function interval(values: Float64Array): Interval {
  if (!values.every(Number.isFinite)) {
    return { low: null, high: null };
  }
  return { low: percentile(values, LOW), high: percentile(values, HIGH) };
}
