/** Times every operation of the core against what this machine was measured to be able to do. */
import { PrerankError } from '../base/errors.js';
import { deviceSpec } from '../runtime/device.js';
import type { Addon, BenchSampling, MatmulPrecision, Roof } from '../runtime/native.js';
import { isDenseProduct } from '../runtime/plan-cost.js';
import { describeEnvironment, type Environment } from './environment.js';
import { type KernelCase, tileCases } from './kernel-cases.js';
import { type Summary, summarize } from './statistics.js';
import { tableCases } from './table-cases.js';

export interface KernelTiming {
  readonly op: string;
  readonly shape: string;
  readonly skew: string;
  /** What its operands are rounded to. */
  readonly dtype: MatmulPrecision;
  readonly rows: number;
  /** Seconds of a call. */
  readonly seconds: Summary;
  /** At the median, 10⁹ a second. */
  readonly gflops: number;
  readonly gbps: number;
  /** What limits the operation at best. */
  readonly bound: 'compute' | 'memory';
  /** Time at the measured roof over the median time. Operands in a nearer cache than assumed may give more than 1. */
  readonly roofShare: number;
}

export interface KernelsResult {
  readonly bench: 'kernels';
  readonly environment: Environment;
  readonly sampling: BenchSampling & { readonly rounds: number };
  /** Measured in the same run, on the same core. */
  readonly roof: Roof;
  readonly results: readonly KernelTiming[];
}

export interface KernelsOptions {
  /** Operations to measure; none: all. */
  readonly operations: readonly string[];
  /** The whole grid is measured so often, one round after the other, so that a disturbance meets every case alike. */
  readonly rounds: number;
  readonly samples: number;
  /** Of dense layers; default: float32. */
  readonly matmul?: MatmulPrecision;
}

export function allCases(matmul: MatmulPrecision): KernelCase[] {
  return [...tileCases(matmul), ...tableCases()];
}

const SAMPLE_SECONDS = 100e-6;
const WARM_UP_CALLS = 3;

/** @throws USAGE for an operation that is not in the grid, CONFIG_INVALID for products that the CPU does not have. */
export async function benchKernels(addon: Addon, options: KernelsOptions): Promise<KernelsResult> {
  const environment = describeEnvironment(addon);
  const { matmul } = deviceSpec('cpu', { matmul: options.matmul ?? 'float32' });
  const cases = chooseCases(allCases(matmul), options.operations);
  const sampling = { warmUp: WARM_UP_CALLS, samples: options.samples, seconds: SAMPLE_SECONDS };
  const roof = await addon.bench.roof();
  const samples = cases.map((): number[] => []);
  for (let round = 0; round < options.rounds; round += 1) {
    for (const [i, item] of cases.entries()) samples[i]?.push(...(await item.time(addon.bench, sampling)));
  }
  const results = cases.map((item, i) => timing(item, summarize(samples[i] ?? []), roof));
  return { bench: 'kernels', environment, sampling: { ...sampling, rounds: options.rounds }, roof, results };
}

/** The cases of these operations; none: all. @throws USAGE for an operation without a case. */
export function chooseCases<Case extends { readonly op: string }>(
  cases: readonly Case[],
  operations: readonly string[],
): readonly Case[] {
  const known = new Set(cases.map(({ op }) => op));
  const unknown = operations.filter((name) => !known.has(name));
  if (unknown.length > 0) {
    throw new PrerankError('USAGE', `no operation ${unknown.join(', ')}; there are ${[...known].sort().join(', ')}`);
  }
  return operations.length === 0 ? cases : cases.filter(({ op }) => operations.includes(op));
}

/** Reading bandwidth of the nearest memory that holds so many bytes. */
function bandwidthFor(roof: Roof, footprint: number): number {
  const level = roof.bandwidth.find(({ bytes }) => bytes >= footprint) ?? roof.bandwidth.at(-1);
  return level?.read ?? Number.NaN;
}

function timing(item: KernelCase, seconds: Summary, roof: Roof): KernelTiming {
  const { op, shape, skew, dtype, rows, cost, footprint } = item;
  const products = dtype === 'bfloat16' ? roof.products.bfloat16 : roof.products.float32;
  const compute = cost.flops / (isDenseProduct(op) ? products : roof.flops);
  const memory = cost.bytes / bandwidthFor(roof, footprint);
  return {
    op,
    shape,
    skew,
    dtype,
    rows,
    seconds,
    gflops: cost.flops / seconds.p50 / 1e9,
    gbps: cost.bytes / seconds.p50 / 1e9,
    bound: compute >= memory ? 'compute' : 'memory',
    roofShare: Math.max(compute, memory) / seconds.p50,
  };
}
