/** Parameter stores and programs: mirror of `native/addon/store_binding`, `program_binding` and `array_batch`. */
import type { NativeLoader } from './native-dataset.js';
import type { Init } from './plan.js';

export interface ParameterSpec {
  readonly name: string;
  /** PyTorch layout: linear weights [out, in], tables [rows, dim]. */
  readonly shape: readonly number[];
  readonly init: Init;
  /** An embedding table, updated sparsely. */
  readonly table: boolean;
  /** A table that stays in the host's memory, where a GPU reads and writes its rows; default false. */
  readonly host?: boolean;
}

export interface SparseOptimizerSettings {
  readonly kind: 'sgd' | 'adagrad' | 'rowwise-adagrad' | 'adam';
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly initialAccumulator: number;
  readonly l2: number;
}

export interface DenseOptimizerSettings {
  readonly kind: 'sgd' | 'adagrad' | 'adam' | 'adamw';
  readonly momentum: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly initialAccumulator: number;
  readonly l2: number;
  readonly weightDecay: number;
}

export const TABLE_TYPES = ['float32', 'bfloat16', 'float16'] as const;
export type TableType = (typeof TABLE_TYPES)[number];

export const MATMUL_PRECISIONS = ['float32', 'tf32', 'bfloat16'] as const;
export type MatmulPrecision = (typeof MATMUL_PRECISIONS)[number];

/** Where to compute, and how to multiply matrices: rounded to tf32 or bfloat16, sums are float32 all the same. */
export interface DeviceSpec {
  /** A GPU's number; none: the CPU, which has no tf32. */
  readonly cuda?: number;
  readonly matmul: MatmulPrecision;
  /** Programs that train time the algorithms of their products and take the fastest; default false. */
  readonly autotune?: boolean;
  /** Bytes for rows of tables in the host's memory; none: what is left, as far as these tables need it. */
  readonly tableCache?: number;
}

/** The algorithms of matrix products that a program has timed and chosen. */
export interface ProductTuning {
  /** The library and the GPU they are for; empty for a program that chooses nothing. */
  readonly fits: string;
  readonly products: readonly { readonly product: string; readonly algorithm: string }[];
}

export interface StoreSpec {
  readonly parameters: readonly ParameterSpec[];
  readonly sparse: SparseOptimizerSettings;
  readonly dense: DenseOptimizerSettings;
  /** What tables hold, default float32; tensors are read and written as float32 all the same. */
  readonly tableType?: TableType;
  /** Where the store's programs run; default: the CPU. Parameters move there with the first program. */
  readonly device?: DeviceSpec;
  /** false: no optimizer state (prediction only). */
  readonly training: boolean;
  readonly seed: number;
}

export interface TensorInfo {
  readonly name: string;
  readonly shape: readonly number[];
}

export interface NativeParameterStore {
  readonly bytes: number;
  /** Parameters in the order of the spec. */
  parameters(): TensorInfo[];
  /** Optimizer slots: `<parameter>.<slot>`. */
  states(): TensorInfo[];
  /** A copy of a parameter or state tensor. */
  read(name: string): Float32Array;
  /** Overwrites a parameter or state tensor; the length must match. */
  write(name: string, data: Float32Array): void;
}

export interface ProgramSettings {
  readonly threads: number;
  /** Rows of the largest batch. */
  readonly capacity: number;
  readonly requestCapacity?: number;
  /** 0 = off. */
  readonly clipNorm?: number;
  readonly clipScope?: 'dense' | 'all';
  readonly seed: number;
  /** Keep operationTimes(): costs two clock reads for each operation and tile. */
  readonly profile?: boolean;
}

/** Rows of a larger matrix: row i of the input is row `rows[i]` of `values`, [any, width]. */
export interface ChosenRows {
  readonly values: Float32Array;
  readonly rows: Uint32Array;
}

/** A batch given from JavaScript, in the order of the plan's inputs. Arrays are copied. */
export interface ArrayBatch {
  readonly rows: number;
  readonly dense?: readonly Float32Array[];
  readonly ids?: readonly {
    readonly ids: Uint32Array;
    readonly offsets?: Uint32Array;
    readonly weights?: Float32Array;
  }[];
  /** Ascending request of each row; needed when the plan has the request domain. */
  readonly requestOfRow?: Uint32Array;
  readonly taskMask?: Uint32Array;
  readonly targets?: readonly Float32Array[];
  readonly weight?: Float32Array;
}

/** A batch whose dense inputs may be rows of something larger, of which only they are copied. */
export interface PredictionBatch extends Omit<ArrayBatch, 'dense'> {
  readonly dense?: readonly (Float32Array | ChosenRows)[];
}

/** Number of float64 in one task's statistics, in the order of TASK_STATS. */
export const TASK_STATS = [
  'loss',
  'weight',
  'count',
  'prediction',
  'target',
  'targetSq',
  'nonfinite',
  'firstRow',
] as const;

export interface RunRequest {
  /** Number of the first step, from 0. */
  readonly firstStep: number;
  /** One entry per step: already scheduled learning rates. */
  readonly denseLr: Float64Array;
  readonly sparseLr: Float64Array;
  /** Computes its gradients on the batch of the last step, before it, for `balance()`. It must do nothing else meanwhile. */
  readonly diagnosis?: NativeProgram;
}

/** How a step weighed the tasks. */
export interface BalanceReport {
  /** Dot products of the weighted gradients of the shared dense parameters, [logits, logits]; empty when not kept apart. */
  readonly gram: Float64Array;
  /** uncertainty: factor on each task's loss; pcgrad, mgda: on the gradient of each logits; else empty. */
  readonly weights: Float64Array;
}

/** Distinct rows of each step, of tables in the host's memory, summed over all steps on the store. */
export interface HostRows {
  readonly used: number;
  /** Of these, not in the cache on the GPU before the step. */
  readonly missing: number;
  /** Of these, read and written in the host's memory, since the step itself used the whole cache. */
  readonly unplaced: number;
}

export interface RunResult {
  /** Steps done; fewer than asked when the loader ended or the run was cancelled. */
  readonly steps: number;
  readonly rows: number;
  /** [steps, tasks, TASK_STATS.length]. */
  readonly stats: Float64Array;
  readonly seconds: number;
  /** Of `seconds`, waiting for the loader. */
  readonly waitSeconds: number;
  /** Heap allocations of the core on the program's thread, inside steps; absent where they cannot be counted. */
  readonly allocations?: number;
  /** The loader had no further batch. */
  readonly ended: boolean;
  /** Set when the last of `steps` was refused for a non-finite loss (no parameter changed). */
  readonly nonFinite?: { readonly step: number; readonly tasks: readonly number[]; readonly rows: readonly number[] };
  readonly gradientNorm: number;
  /** Absent without a cache of rows of tables in the host's memory. */
  readonly hostRows?: HostRows;
}

export interface PhaseTimes {
  readonly prologue: number;
  readonly tiles: number;
  readonly reduce: number;
  readonly transform: number;
  readonly update: number;
}

/** Time of one operation since the program was built, in seconds, summed over workers. */
export interface OperationTime {
  /** Of the plan's operation; `tables.touch`, `accumulators.clear`, `rows.cache`, `accumulators.reduce`, `gradient.norm`, `update.dense` and
   *  `update.sparse` (one per table, `layer` is its name) are the program's own. */
  readonly kind: string;
  readonly layer: string;
  readonly backward: boolean;
  readonly seconds: number;
  /** Tiles, or regions of a worker. */
  readonly calls: number;
}

export interface NativeProgram {
  readonly bytes: number;
  /** Steps until the learning rates are used up, the loader ends, cancel() is called or a loss is not finite. */
  run(loader: NativeLoader, request: RunRequest): Promise<RunResult>;
  /** Ends a pending run() after its current step. */
  cancel(): void;
  /** One step on a batch given as arrays; `update: false` computes gradients only. */
  step(
    batch: ArrayBatch,
    options: { step: number; denseLr: number; sparseLr: number; update: boolean },
  ): Promise<Float64Array>;
  /** Forward on a batch given as arrays; one array per output of the plan. */
  predict(batch: PredictionBatch): Promise<Float32Array[]>;
  /** Forward over all remaining batches of the loader; outputs [rows, width] in loader order, row-domain outputs only. */
  predictAll(loader: NativeLoader): Promise<Float32Array[]>;
  /** Output of the last step or predict, by index. */
  readOutput(index: number): Float32Array;
  /** Choices to keep with a checkpoint: the algorithms of products decide the last bits of their sums. */
  tuning(): ProductTuning;
  /** Takes over kept choices, before the first step. False when they are of another library or GPU. */
  useTuning(tuning: ProductTuning): boolean;
  /** Of the last step; null for a plan without balancing. */
  balance(): BalanceReport | null;
  /** Seconds by phase since the program was built. A GPU's are told apart with `profile` only: else all of a step is `tiles`. */
  times(): PhaseTimes;
  /** The plan's operations in its order, then the program's own; empty without `profile`. */
  operationTimes(): OperationTime[];
}
