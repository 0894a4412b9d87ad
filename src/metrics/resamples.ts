/** Resamples of requests with replacement, and the sums of per-request columns over them. */
import { Philox, philoxKey } from '../base/philox.js';
import { MetricInputError } from './value.js';

export interface BootstrapOptions {
  /** At least 1000 for a 95 % interval. */
  readonly resamples: number;
  readonly seed: number;
}

/** Keeps the draws apart from others of the same seed. */
const STREAM = 0x626f6f74;

/** Resamples that are summed together: a column is read once for all of them. */
const TOGETHER = 4;

/**
 * Σ column over every resample's requests, [resamples] for each column. All columns see the same resamples, so that what
 * is made of them is paired. A column that is named several times is summed once. The same seed gives the same sums, in
 * the order of the requests. Takes requests · resamples draws, and as many multiplications a column.
 * @throws MetricInputError when columns are of different lengths, or for resamples that are no positive integer.
 */
export function resampledSums(
  columns: Iterable<Float64Array>,
  { resamples, seed }: BootstrapOptions,
): ReadonlyMap<Float64Array, Float64Array> {
  if (!Number.isSafeInteger(resamples) || resamples < 1) {
    throw new MetricInputError('bootstrap', `resamples must be a positive integer, got ${resamples}`);
  }
  const sums = new Map([...columns].map((column) => [column, new Float64Array(resamples)] as const));
  const requests = requestsOf([...sums.keys()]);
  const random = new Philox(philoxKey(seed));
  const counts = Array.from({ length: TOGETHER }, () => new Uint16Array(requests));
  const [first, second, third, fourth] = counts as [Uint16Array, Uint16Array, Uint16Array, Uint16Array];
  for (let resample = 0; resample < resamples; resample += TOGETHER) {
    for (const [i, drawn] of counts.entries()) {
      resampleInto(drawn, resample + i, random);
    }
    for (const [column, into] of sums) {
      sumInto(into, resample, column, first, second, third, fourth);
    }
  }
  return sums;
}

/** The length of all columns; 0 without any. */
export function requestsOf(columns: readonly Float64Array[]): number {
  const requests = columns[0]?.length ?? 0;
  if (columns.some(({ length }) => length !== requests)) {
    throw new MetricInputError('bootstrap', 'the metrics are not of the same requests');
  }
  return requests;
}

/** How often each request is drawn. Words depend on (seed, resample, draw) alone. */
function resampleInto(counts: Uint16Array, resample: number, random: Philox): void {
  const requests = counts.length;
  const { words } = random;
  const share = requests / 2 ** 32;
  counts.fill(0);
  for (let i = 0; i < requests; i += words.length) {
    random.draw(i / words.length, resample, STREAM, 0);
    const lanes = Math.min(words.length, requests - i);
    for (let lane = 0; lane < lanes; lane += 1) {
      // Below 2^32 requests, each is drawn with its share of the words up to 2^-32.
      const picked = Math.floor((words[lane] as number) * share);
      counts[picked] = (counts[picked] as number) + 1;
    }
  }
}

/** Writes from place `at` on; a place beyond the end is not written. */
function sumInto(
  into: Float64Array,
  at: number,
  column: Float64Array,
  first: Uint16Array,
  second: Uint16Array,
  third: Uint16Array,
  fourth: Uint16Array,
): void {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  for (let i = 0; i < column.length; i += 1) {
    const value = column[i] as number;
    a += value * (first[i] as number);
    b += value * (second[i] as number);
    c += value * (third[i] as number);
    d += value * (fourth[i] as number);
  }
  into[at] = a;
  into[at + 1] = b;
  into[at + 2] = c;
  into[at + 3] = d;
}
