/** Kernel benchmarks as text and as CSV. */
import { formatTable } from '../train/evaluation-result.js';
import type { DeviceKernelsResult } from './device-kernels.js';
import type { KernelsResult, KernelTiming } from './kernels.js';
import type { KernelComparison } from './kernels-compare.js';
import { percent } from './text.js';

function microseconds(seconds: number): string {
  return (seconds * 1e6).toPrecision(4);
}

function timingLines(results: readonly KernelTiming[]): string[] {
  const rows = results.map(({ op, shape, skew, dtype, seconds, gflops, gbps, bound, roofShare }) => [
    op,
    dtype === 'float32' ? shape : `${shape} ${dtype}`,
    skew,
    microseconds(seconds.p50),
    microseconds(seconds.p90),
    gflops.toFixed(1),
    gbps.toFixed(1),
    bound,
    percent(roofShare),
  ]);
  return formatTable(
    ['operation', 'shape', 'ids', 'p50 µs', 'p90 µs', 'GFLOP/s', 'GB/s', 'bound', 'of the roof'],
    rows,
  );
}

function giga(value: number): string {
  return (value / 1e9).toFixed(0);
}

export function formatKernels({ results, roof, environment }: KernelsResult): string {
  const levels = roof.bandwidth.map(({ bytes, read }) => `${bytes / 1024} KiB ${(read / 1e9).toFixed(0)}`);
  return [
    `${environment.cpu}, ${environment.isa}, core ${environment.cores.join(',')}`,
    `roof: ${giga(roof.flops)} GFLOP/s, dense layers ${giga(roof.products.float32)}, in bfloat16 ${giga(roof.products.bfloat16)}; reading GB/s by working set: ${levels.join(', ')}`,
    '',
    ...timingLines(results),
  ].join('\n');
}

export function formatDeviceKernels({ device, gpu, matmul, results, roof }: DeviceKernelsResult): string {
  const products = (['float32', 'tf32', 'bfloat16'] as const).map(
    (precision) => `${precision} ${(roof[precision] / 1e12).toFixed(1)}`,
  );
  return [
    `${device}, ${gpu}, products in ${matmul}`,
    `roof: copying ${(roof.copy / 1e9).toFixed(0)} GB/s; products, TFLOP/s: ${products.join(', ')}`,
    '',
    ...timingLines(results),
  ].join('\n');
}

export function formatComparison(comparisons: readonly KernelComparison[]): string {
  const rows = comparisons.map(({ op, shape, skew, speedup, low, high, verdict }) => [
    op,
    shape,
    skew,
    `${speedup.toFixed(3)}x`,
    `[${low.toFixed(3)}, ${high.toFixed(3)}]`,
    verdict,
  ]);
  return formatTable(['operation', 'shape', 'ids', 'speed-up', 'interval', ''], rows).join('\n');
}

const CSV_HEAD =
  'op,shape,skew,dtype,rows,samples,p50_us,p90_us,low_us,high_us,best_us,gflops,gbps,bound,roof_share,isa,commit';

function csvCell(value: string | number): string {
  const text = String(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** One line a case, times in microseconds. */
export function kernelsCsv({ results, environment }: Pick<KernelsResult, 'results' | 'environment'>): string {
  const lines = results.map(({ op, shape, skew, dtype, rows, seconds, gflops, gbps, bound, roofShare }) => {
    const { samples, p50, p90, low, high, best } = seconds;
    const times = [p50, p90, low, high, best].map((value) => value * 1e6);
    const cells = [op, shape, skew, dtype, rows, samples, ...times, gflops, gbps, bound, roofShare];
    return [...cells, environment.isa, environment.commit ?? ''].map(csvCell).join(',');
  });
  return [CSV_HEAD, ...lines].join('\n');
}
