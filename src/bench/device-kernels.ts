/** Times operations on a GPU, each in a program of its own, against what the GPU was measured to be able to do. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { PrerankError } from '../base/errors.js';
import { type DeviceName, deviceSpec, resolveDevice } from '../runtime/device.js';
import type { Addon, CudaRoof, CudaRoofSizes, DeviceSpec, MatmulPrecision } from '../runtime/native.js';
import { isProduct } from '../runtime/plan-cost.js';
import {
  DEVICE_DENSE,
  DEVICE_TABLES,
  type DeviceCase,
  type DeviceGrid,
  type DeviceProblem,
  deviceCases,
} from './device-cases.js';
import { describeEnvironment, type Environment } from './environment.js';
import { chooseCases, type KernelTiming } from './kernels.js';
import { summarize } from './statistics.js';
import { DENSE_SETTINGS, SPARSE_SETTINGS } from './step-problem.js';

export interface DeviceKernelsResult {
  readonly bench: 'kernels';
  readonly device: DeviceName;
  /** The GPU's name. */
  readonly gpu: string;
  /** What the operands of `linear` and `dotInteraction` operations are rounded to. */
  readonly matmul: MatmulPrecision;
  readonly environment: Environment;
  readonly sampling: { readonly warmUp: number; readonly samples: number; readonly rounds: number };
  /** Measured in the same run. */
  readonly roof: CudaRoof;
  readonly results: readonly KernelTiming[];
}

export interface DeviceKernelsOptions {
  /** Operations to measure; none: all. */
  readonly operations: readonly string[];
  readonly rounds: number;
  /** Calls of a case in a round. */
  readonly samples: number;
  readonly device: string;
  readonly matmul: MatmulPrecision;
  readonly grid: DeviceGrid;
  readonly roof: CudaRoofSizes;
}

/** Twice the largest L2 cache of today's GPUs. */
const FLUSH_BYTES = 256 << 20;

/** The grid of `prerank bench kernels --device cuda:N`. */
export function deviceGrid(rows: number): DeviceGrid {
  return { rows, flushBytes: FLUSH_BYTES, tables: DEVICE_TABLES, dense: DEVICE_DENSE };
}

/** Long enough that starting the work takes none of the time. */
export const ROOF_SIZES: CudaRoofSizes = { copyBytes: 1 << 30, product: 8192, repetitions: 10 };

const WARM_UP = 3;

/** @throws USAGE for an operation that is not in the grid, or for the CPU; DEVICE_UNAVAILABLE. */
export async function benchDeviceKernels(addon: Addon, options: DeviceKernelsOptions): Promise<DeviceKernelsResult> {
  const { operations, rounds, samples, matmul } = options;
  const device = resolveDevice(addon, options.device);
  const spec = deviceSpec(device, { matmul });
  if (spec.cuda === undefined) throw new PrerankError('USAGE', `${options.device} is not a GPU`);
  const environment = describeEnvironment(addon);
  const cases = chooseCases(deviceCases(options.grid), operations);
  const roof = await addon.bench.cudaRoof(spec.cuda, options.roof);
  const timed = cases.map(() => ({ seconds: [] as number[], cost: { flops: 0, bytes: 0 } }));
  const collect = collector();
  for (let round = 0; round < rounds; round += 1) {
    for (const [i, item] of cases.entries()) {
      const into = timed[i];
      if (into === undefined) continue;
      const problem = item.make();
      into.cost = problem.cost;
      into.seconds.push(...(await timeDeviceCase(addon, spec, item, problem, samples)));
      await collect();
    }
  }
  return {
    bench: 'kernels',
    device,
    gpu: addon.cuda().devices.find(({ number }) => number === spec.cuda)?.name ?? device,
    matmul,
    environment,
    sampling: { warmUp: WARM_UP, samples, rounds },
    roof,
    results: cases.map((item, i) => timing(item, timed[i]?.cost, summarize(timed[i]?.seconds ?? []), roof, matmul)),
  };
}

/** Lets go of programs that nobody holds any more: their device memory is freed with them, of which the engine knows nothing. */
function collector(): () => Promise<void> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  return async () => {
    collect();
    // Native objects are let go of after the collection.
    await new Promise((resolve) => setImmediate(resolve));
  };
}

/** Seconds of the timed operation in each of the sampled steps. */
export async function timeDeviceCase(
  addon: Addon,
  device: DeviceSpec,
  item: DeviceCase,
  problem: DeviceProblem,
  samples: number,
): Promise<number[]> {
  const { plan, parameters, batches, timed } = problem;
  const store = new addon.ParameterStore({
    parameters,
    sparse: { kind: item.sparse, ...SPARSE_SETTINGS },
    dense: { kind: item.dense, ...DENSE_SETTINGS },
    device,
    training: true,
    seed: 1,
  });
  const capacity = Math.max(...batches.map(({ rows }) => rows));
  const program = new addon.Program(plan, store, { threads: 1, capacity, seed: 1, profile: true });
  const place = timed ?? program.operationTimes().findIndex(({ kind }) => kind === item.op);
  const total = (): number => program.operationTimes()[place]?.seconds ?? Number.NaN;
  const seconds: number[] = [];
  for (let step = 0; step < WARM_UP + samples; step += 1) {
    const batch = batches[step % batches.length];
    if (batch === undefined) continue;
    const before = total();
    await program.step(batch, { step, denseLr: 1e-6, sparseLr: 1e-6, update: true });
    if (step >= WARM_UP) seconds.push(total() - before);
  }
  return seconds;
}

function timing(
  item: DeviceCase,
  cost: DeviceProblem['cost'] | undefined,
  seconds: KernelTiming['seconds'],
  roof: CudaRoof,
  matmul: MatmulPrecision,
): KernelTiming {
  const { op, shape, skew, rows } = item;
  const { flops, bytes } = cost ?? { flops: 0, bytes: 0 };
  const compute = flops / (isProduct(op) ? roof[matmul] : roof.float32);
  const memory = bytes / roof.copy;
  return {
    op,
    shape,
    skew,
    dtype: 'float32',
    rows,
    seconds,
    gflops: flops / seconds.p50 / 1e9,
    gbps: bytes / seconds.p50 / 1e9,
    bound: compute >= memory ? 'compute' : 'memory',
    roofShare: Math.max(compute, memory) / seconds.p50,
  };
}
