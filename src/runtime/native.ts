/**
 * The addon's surface, hand-written mirror of `native/addon/`. Nothing outside `src/runtime/` and the
 * modules that hold its handles calls the addon; use `loadAddon()` (load.ts).
 * Every method throws an Error with a stable `code` (PrerankError after conversion, see errors.ts).
 */
import type { NativeBench } from './native-bench.js';
import type {
  ChunkChecksumSpec,
  ColumnSpec,
  LoaderSpec,
  NativeDataset,
  NativeLoader,
  NativeMapping,
} from './native-dataset.js';
import type {
  IngestSpec,
  LogProfile,
  NativeCancellation,
  NativeIngest,
  ProfileSpec,
  StageSpec,
} from './native-ingest.js';
import type { NativeMetrics } from './native-metrics.js';
import type { NativeParameterStore, NativeProgram, ProgramSettings, StoreSpec } from './native-program.js';
import type { Plan } from './plan.js';

export * from './native-bench.js';
export * from './native-dataset.js';
export * from './native-ingest.js';
export * from './native-metrics.js';
export * from './native-program.js';
export type { Phase } from './plan.js';

export interface CudaDevice {
  readonly number: number;
  readonly name: string;
  readonly computeCapability: string;
  readonly multiprocessors: number;
  readonly bytes: number;
  readonly freeBytes: number;
}

/** What programs on a GPU need. */
export interface CudaReport {
  /** Whether the CUDA library of this build was found and loads. */
  readonly built: boolean;
  readonly devices: readonly CudaDevice[];
  /** Where cuBLASLt was found. */
  readonly cublas?: string;
  /** Operations with a CUDA kernel. */
  readonly kernels?: readonly string[];
  /** The first thing that is missing, and what to do; absent when GPU programs can run. */
  readonly missing?: string;
}

export interface Addon {
  info(): {
    version: string;
    isa: string;
    cpu: string;
    cores: number;
    compiler: string;
    kernels: string[];
  };
  cuda(): CudaReport;
  ParameterStore: new (spec: StoreSpec) => NativeParameterStore;
  Program: new (plan: Plan, store: NativeParameterStore, settings: ProgramSettings) => NativeProgram;
  /** `checksums`: one per chunk; without them the bytes are trusted. */
  Dataset: new (
    columns: readonly ColumnSpec[],
    owners: readonly unknown[],
    checksums?: readonly ChunkChecksumSpec[],
  ) => NativeDataset;
  Loader: new (dataset: NativeDataset, spec: LoaderSpec) => NativeLoader;
  mapFile(path: string): NativeMapping;
  Ingest: new (spec: IngestSpec) => NativeIngest;
  Cancellation: new () => NativeCancellation;
  /** Rejected with CANCELLED soon after the cancellation. */
  profileLog(spec: ProfileSpec, cancellation?: NativeCancellation): Promise<LogProfile>;
  /** Rows written. Rejected like `profileLog`. */
  stageArrow(spec: StageSpec, cancellation?: NativeCancellation): Promise<number>;
  /** xxHash64, seed 0, of each int64 (8 bytes little-endian). */
  hashInt64(values: BigInt64Array): BigUint64Array;
  /** xxHash64, seed 0, of each UTF-8 string; string i is bytes[offsets[i], offsets[i + 1]). */
  hashUtf8(bytes: Uint8Array, offsets: Int32Array): BigUint64Array;
  metrics: NativeMetrics;
  bench: NativeBench;
}
