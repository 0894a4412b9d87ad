/** Two kernel benchmarks side by side: what became faster or slower, and whether the difference is more than noise. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { PrerankError } from '../base/errors.js';
import type { KernelsResult } from './kernels.js';

export interface KernelComparison {
  readonly op: string;
  readonly shape: string;
  readonly skew: string;
  /** Base median over this median: above 1 is faster. */
  readonly speedup: number;
  /** Bounds of the ratio from the 95 % intervals of both medians: wider than 95 %, never narrower. */
  readonly low: number;
  readonly high: number;
  readonly verdict: 'faster' | 'slower' | 'same';
}

const baseSchema = z.object({
  bench: z.literal('kernels'),
  results: z.array(
    z.object({
      op: z.string(),
      shape: z.string(),
      skew: z.string(),
      seconds: z.object({ p50: z.number().positive(), low: z.number().positive(), high: z.number().positive() }),
    }),
  ),
});

export type KernelsBase = z.output<typeof baseSchema>;

/** @throws DATA_NOT_FOUND or DATA_INVALID. */
export function readKernelsBase(path: string): KernelsBase {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new PrerankError('DATA_NOT_FOUND', `${path} cannot be read`, { file: path }, { cause });
  }
  const remedy = 'give the output of `prerank bench kernels --json`';
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    throw new PrerankError('DATA_INVALID', `${path} is no JSON; ${remedy}`, { file: path }, { cause });
  }
  const parsed = baseSchema.safeParse(content);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue?.path.join('.');
  throw new PrerankError('DATA_INVALID', `${path}: ${where}: ${issue?.message}; ${remedy}`, { file: path });
}

/** Cases that both results have, in the order of `now`. */
export function compareKernels(base: KernelsBase, now: Pick<KernelsResult, 'results'>): KernelComparison[] {
  const keyOf = (result: { op: string; shape: string; skew: string }): string =>
    [result.op, result.shape, result.skew].join('|');
  const known = new Map(base.results.map((result) => [keyOf(result), result.seconds]));
  return now.results.flatMap((result) => {
    const before = known.get(keyOf(result));
    if (before === undefined) return [];
    const after = result.seconds;
    const low = before.low / after.high;
    const high = before.high / after.low;
    const verdict = low > 1 ? 'faster' : high < 1 ? 'slower' : 'same';
    const { op, shape, skew } = result;
    return [{ op, shape, skew, speedup: before.p50 / after.p50, low, high, verdict } as const];
  });
}
