/** Single operations and the machine measured: mirror of `native/addon/bench_binding`. */
import type { NativeLoader } from './native-dataset.js';
import type { ArrayBatch, DenseOptimizerSettings, SparseOptimizerSettings } from './native-program.js';
import type { Plan } from './plan.js';

export interface BenchSampling {
  /** Calls that are not timed. */
  readonly warmUp: number;
  readonly samples: number;
  /** Least length of a sample: shorter work is repeated. */
  readonly seconds: number;
}

/** Bytes a second over a working set, read, and copied from one half to the other (bytes read plus bytes written). */
export interface Bandwidth {
  readonly bytes: number;
  readonly read: number;
  readonly copy: number;
}

/** What one core of this machine was measured to do at most. */
export interface Roof {
  /** float32 operations a second: multiply-adds count two. */
  readonly flops: number;
  /** The same in products of dense layers, by what their operands are rounded to: more where they are made in tiles. */
  readonly products: { readonly float32: number; readonly bfloat16: number };
  /** Ascending working sets. */
  readonly bandwidth: readonly Bandwidth[];
}

/** How much measuring a GPU's roof moves (`copyBytes`, from one buffer to another) and multiplies (square matrices). */
export interface CudaRoofSizes {
  readonly copyBytes: number;
  readonly product: number;
  readonly repetitions: number;
}

/** What a GPU was measured to do at most. */
export interface CudaRoof {
  /** Bytes a second, read and written, of a copy within its memory. */
  readonly copy: number;
  /** Operations a second of a matrix product, by what its operands are rounded to. */
  readonly float32: number;
  readonly tf32: number;
  readonly bfloat16: number;
}

/** Benchmarks of single operations on one thread: seconds of a call, per sample. */
export interface NativeBench {
  /** Every operation of the plan's only segment, over the batch; dense layers round their operands to bfloat16 or not. */
  kernel(plan: Plan, batch: ArrayBatch, sampling: BenchSampling, bfloat16: boolean): Promise<Float64Array>;
  /** The sort of the ids of the plan's first table. */
  tableIndex(plan: Plan, batch: ArrayBatch, sampling: BenchSampling): Promise<Float64Array>;
  /** The update of the rows of the plan's first table that the batch touches. */
  sparseUpdate(
    plan: Plan,
    batch: ArrayBatch,
    optimizer: SparseOptimizerSettings,
    sampling: BenchSampling,
  ): Promise<Float64Array>;
  denseUpdate(count: number, optimizer: DenseOptimizerSettings, sampling: BenchSampling): Promise<Float64Array>;
  roof(): Promise<Roof>;
  /** @throws UNSUPPORTED without CUDA; OUT_OF_MEMORY. */
  cudaRoof(device: number, sizes: CudaRoofSizes): Promise<CudaRoof>;
  /** Seconds in which one thread adds up the words of all buffers, one after the other. */
  read(buffers: readonly Uint8Array[]): Promise<number>;
  /** Takes at most `batches` from a loader, as fast as it gives them. */
  drain(loader: NativeLoader, batches: number): Promise<{ batches: number; rows: number; seconds: number }>;
  /** Cores this process may use; empty where the system does not say. */
  allowedCores(): number[];
  /** Moves every thread of the process to these cores. @throws UNSUPPORTED, INVALID_ARGUMENT. */
  pin(cores: readonly number[]): void;
}
