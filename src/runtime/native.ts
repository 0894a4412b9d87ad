/**
 * The addon's surface, hand-written mirror of `native/addon/`. Nothing outside `src/runtime/` and the
 * modules that hold its handles calls the addon; use `loadAddon()` (load.ts).
 * Every method throws an Error with a stable `code` (PrerankError after conversion, see errors.ts).
 */
import type { Init, Phase, Plan } from './plan.js';

export type { Phase };

export interface ParameterSpec {
  readonly name: string;
  /** PyTorch layout: linear weights [out, in], tables [rows, dim]. */
  readonly shape: readonly number[];
  readonly init: Init;
  /** An embedding table, updated sparsely. */
  readonly table: boolean;
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

export interface StoreSpec {
  readonly parameters: readonly ParameterSpec[];
  readonly sparse: SparseOptimizerSettings;
  readonly dense: DenseOptimizerSettings;
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
  /** Of the plan's operation; `tables.touch`, `accumulators.clear`, `accumulators.reduce`, `gradient.norm`, `update.dense` and
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
  predict(batch: ArrayBatch): Promise<Float32Array[]>;
  /** Forward over all remaining batches of the loader; outputs [rows, width] in loader order, row-domain outputs only. */
  predictAll(loader: NativeLoader): Promise<Float32Array[]>;
  /** Output of the last step or predict, by index. */
  readOutput(index: number): Float32Array;
  /** Of the last step; null for a plan without balancing. */
  balance(): BalanceReport | null;
  /** Seconds by phase since the program was built. */
  times(): PhaseTimes;
  /** The plan's operations in its order, then the program's own; empty without `profile`. */
  operationTimes(): OperationTime[];
}

export type ColumnType = 'float32' | 'uint32' | 'uint8' | 'list<uint32>' | 'list<float32>';

export interface ColumnChunkSpec {
  readonly values: Float32Array | Uint32Array | Uint8Array;
  readonly offsets?: Int32Array;
  readonly rows: number;
}

export interface ColumnSpec {
  readonly name: string;
  readonly type: ColumnType;
  readonly chunks: readonly ColumnChunkSpec[];
}

/**
 * What the bytes behind one chunk of all columns must be. Verified when a loader or a replay first reads the chunk:
 * DATASET_CORRUPT names file and batch.
 */
export interface ChunkChecksumSpec {
  /** The record batch's message in the mapping. */
  readonly message: Uint8Array;
  /** xxHash64 of it, seed 0: 16 hexadecimal digits. */
  readonly checksum: string;
  readonly file: string;
  /** Number of the record batch in its file. */
  readonly batch: number;
}

/** A mapped file. `buffer` is an external ArrayBuffer over the mapping (files below 4 GiB). */
export interface NativeMapping {
  readonly path: string;
  readonly byteLength: number;
  readonly buffer: ArrayBuffer;
}

export interface NativeDataset {
  readonly rows: number;
  /** [address, bytes] of every buffer that batch assembly reads, for the zero-copy test. */
  addresses(): { column: string; address: bigint; bytes: number }[];
}

/** TaskSource of loader.h. */
export interface TaskSourceSpec {
  readonly target: string;
  readonly pseudo?: string;
  readonly shown?: string;
  /** What rows that were not shown teach: their pseudo-label or target (default), the target 0, or nothing. */
  readonly unseen?: 'label' | 'negative' | 'none';
  readonly traffic?: string;
  readonly shift?: number;
  readonly scale?: number;
  readonly probability?: boolean;
}

export interface LoaderSpec {
  readonly batchSize: number;
  readonly shuffle: 'none' | 'window' | 'full';
  readonly windowRows?: number;
  readonly seed: number;
  readonly epochs: number;
  readonly threads: number;
  /** Batches assembled ahead, no more threads than that; default: one a thread, at least 2. */
  readonly prefetch?: number;
  readonly training: boolean;
  readonly request?: string;
  readonly weight?: string;
  readonly dense: readonly { readonly domain: 'row' | 'request'; readonly columns: readonly string[] }[];
  readonly ids: readonly {
    readonly domain: 'row' | 'request';
    readonly column: string;
    readonly weights?: string;
    readonly multi: boolean;
    readonly pooling: 'sum' | 'mean';
    readonly table: number;
    readonly tableRows: number;
  }[];
  readonly tasks: readonly TaskSourceSpec[];
}

export interface Cursor {
  readonly epoch: number;
  readonly batch: number;
}

export interface LoaderStats {
  /** Handed out. */
  readonly batches: number;
  readonly rows: number;
  readonly bytesGathered: number;
  /** Readers waited for so long. */
  readonly waitSeconds: number;
  /** Batches ready or handed out. */
  readonly assembled: number;
  /** Processor seconds of the loader's threads: columns to batches, and ids sorted by table row. */
  readonly gatherSeconds: number;
  readonly indexSeconds: number;
}

export interface NativeLoader {
  readonly batchesPerEpoch: number;
  consumed(): Cursor;
  seek(cursor: Cursor): void;
  stats(): LoaderStats;
  close(): void;
}

/** A head's output for every row of a dataset, and how it is read: σ(output), or output / scale + shift. */
export interface PredictionSpec {
  readonly outputs: Float32Array;
  readonly link: 'sigmoid' | 'identity';
  /** Of the identity; default 1. */
  readonly scale?: number;
  /** Of the identity; default 0. */
  readonly shift?: number;
}

/** bid · action rate, plus or times f(quality). Columns that the dataset does not have are left out. */
export interface TotalValueSpec {
  readonly ctr: PredictionSpec;
  readonly quality?: PredictionSpec;
  /** Absent: every bid is 1. */
  readonly bid?: string;
  /** uint8: 0 click, 1 post-click, 2 post-impression; absent: click. */
  readonly objective?: string;
  readonly clickRate?: string;
  readonly viewRate?: string;
  readonly form: 'additive' | 'multiplicative';
  readonly f:
    | { readonly kind: 'identity' }
    | { readonly kind: 'affine'; readonly scale: number; readonly shift: number }
    | { readonly kind: 'clamp'; readonly min: number; readonly max: number }
    | { readonly kind: 'piecewiseLinear'; readonly knots: readonly (readonly [number, number])[] };
}

export interface ReplaySpec {
  /** uint32 column. */
  readonly request: string;
  /** float32 column; NaN: the row did not reach the final stage and takes no part. */
  readonly final: string;
  /** The early stage's score: a float32 column, a number for every row, or a total value. */
  readonly early: string | Float32Array | TotalValueSpec;
  /** Picks of the final stage. */
  readonly k: number;
  /** Picks of the early stage. */
  readonly earlyK: number;
  /** Whether dcg and idcg are wanted; else they are 0. */
  readonly gains: boolean;
  /** Default: the cores. */
  readonly threads?: number;
}

/** Columns of `perRequest` of a replay. `difference`: Σ|final − early|; `size`: Σ|final|. */
export const REPLAY_FIGURES = [
  'n',
  'k',
  'hits',
  'softNumerator',
  'softDenominator',
  'dcg',
  'idcg',
  'difference',
  'size',
] as const;

export interface NativeReplay {
  /** Codes of the requests with candidates. */
  readonly requests: Uint32Array;
  /** [requests, REPLAY_FIGURES.length]. */
  readonly perRequest: Float64Array;
  /** A candidate whose score is missing or not finite; then the rest is not complete. */
  readonly fault?: { readonly row: number; readonly input: 'early' | 'final' | 'bid' | 'clickRate' | 'viewRate' };
}

/** Rows are judged where `label` is not NaN, `traffic` is not 0, and `shown` is as `shownIs` says. */
export interface TaskMetricsSpec {
  readonly label: string;
  readonly traffic?: string;
  readonly shown?: string;
  /** Default true. */
  readonly shownIs?: boolean;
  readonly weight?: string;
  readonly prediction: PredictionSpec;
  /** Labels and predictions are in [0, 1]: log loss, AUC, ECE, GAUC; else squared error. */
  readonly probability: boolean;
  readonly auc?: boolean;
  readonly ece?: boolean;
  readonly eceBins?: number;
  /** uint32 column: GAUC by it. */
  readonly group?: string;
  readonly groupWeight?: 'rows' | 'clicks' | 'one';
  /** With more judged rows, AUC and ECE come from 2^20 bins; default 50 million. */
  readonly exactRows?: number;
  /** Default: the cores. */
  readonly threads?: number;
}

/** Sums over the judged rows; NaN where undefined. */
export interface NativeTaskMetrics {
  readonly count: number;
  readonly weight: number;
  readonly loss: number;
  readonly prediction: number;
  readonly target: number;
  readonly targetSq: number;
  /** Σ w (y − mean y)². */
  readonly spread: number;
  readonly auc: number;
  /** Bound on the error of `auc`; above 0 only with more than `exactRows`. */
  readonly aucError: number;
  readonly ece: number;
  /** Σ n_g AUC_g and Σ n_g over the `groups` with both classes. */
  readonly groupSum: number;
  readonly groupWeight: number;
  readonly groups: number;
  /** The first judged row with a value that the metrics are not defined for; then the rest is not complete. */
  readonly fault?: { readonly row: number; readonly input: 'label' | 'prediction' | 'weight'; readonly value: number };
}

/** Metrics over the mapped columns of a dataset, without a copy of them. */
export interface NativeMetrics {
  /** Per request: top-K by early and by final score, ties by row. */
  replay(dataset: NativeDataset, spec: ReplaySpec): Promise<NativeReplay>;
  task(dataset: NativeDataset, spec: TaskMetricsSpec): Promise<NativeTaskMetrics>;
}

/** Consecutive rows of a log: what the queries return, one after the other. Every query selects the same columns. */
export interface LogPart {
  readonly queries: readonly {
    readonly sql: string /** File of the rows; '' with `originInput`. */;
    readonly origin: string;
  }[];
  readonly rows: number;
  /** Leading rows that belong to the last request of the part before. */
  readonly headRows: number;
}

export interface LogSource {
  /** Path of DuckDB's shared library. */
  readonly library: string;
  /** Statements run once in the database, before any query. */
  readonly setup: readonly string[];
  readonly parts: readonly LogPart[];
}

export type IngestNulls = 'default' | 'drop' | 'error';

/** `input`: index among the query's columns. `label`: what messages call it. */
export interface IngestNumber {
  readonly input: number;
  readonly output: string;
  readonly type: 'float32' | 'uint8';
  readonly rule: 'finite' | 'nonNegative' | 'probability' | 'binary' | 'stage' | 'objective';
  readonly nullable: boolean;
  readonly role?: 'impression' | 'ctrTraffic' | 'click' | 'conversion' | 'stage' | 'weight';
  readonly label: string;
}

export interface IngestDense {
  readonly input: number;
  readonly output: string;
  readonly transforms: readonly ('log1p' | 'standardize')[];
  readonly mean: number;
  readonly deviation: number;
  readonly nulls: IngestNulls;
  /** Watched for being the same in all rows of a request. */
  readonly ofRequest: boolean;
  readonly label: string;
  /** Raw column, for rejects. */
  readonly source: string;
}

export interface IngestId {
  readonly input: number;
  readonly output: string;
  /** Index into `tables`. */
  readonly table: number;
  readonly multi: boolean;
  readonly weightsInput?: number;
  readonly weightsOutput?: string;
  readonly nulls: IngestNulls;
  readonly ofRequest: boolean;
  readonly label: string;
  readonly source: string;
}

/** request: 0, 1, … in the order of the dataset; user and ad: by falling count, then value. */
export interface IngestCode {
  readonly input: number;
  readonly output: string;
  readonly role: 'request' | 'user' | 'ad';
  /** Code of the first value, where rows are added to a dataset that has codes below it. */
  readonly first: number;
  readonly label: string;
}

export interface IngestTable {
  readonly name: string;
  readonly type: 'int' | 'string';
  /** Hashed table; 0: vocabulary. */
  readonly buckets: number;
  /** Values learnt before; value i keeps row i + 1. */
  readonly values: readonly string[];
  readonly learn: boolean;
  readonly minFrequency: number;
  /** Most rows, row 0 included; 0: no limit. */
  readonly capacity: number;
}

export interface IngestSampling {
  readonly seed: number;
  readonly augment: boolean;
  readonly pool: 'final' | 'early' | 'mixed';
  /** 0: `rate` counts. */
  readonly perRequest: number;
  readonly rate: number;
  /** By furthest stage, 7 of them; empty: off. */
  readonly stageRates: readonly number[];
  readonly weightByInverseRate: boolean;
  /** Output column of the weight; '' without weightByInverseRate. */
  readonly weightOutput: string;
  /** Below 0: off. */
  readonly splitFraction: number;
  readonly splitKeepBelow: boolean;
}

/** Mirror of prerank/ingest.h, which says what each field means. */
export interface IngestSpec {
  readonly source: LogSource;
  readonly rowInput: number;
  readonly originInput?: number;
  readonly requestInput?: number;
  readonly adInput?: number;
  readonly numbers: readonly IngestNumber[];
  readonly dense: readonly IngestDense[];
  readonly ids: readonly IngestId[];
  readonly codes: readonly IngestCode[];
  readonly tables: readonly IngestTable[];
  readonly outputOrder: readonly string[];
  readonly sampling: IngestSampling;
  readonly duplicates: 'keep' | 'drop' | 'error';
  readonly maxBad: number;
  readonly folder: string;
  readonly threads: number;
  readonly memoryBytes: number;
}

export interface IngestedFile {
  readonly name: string;
  readonly rows: number;
  readonly bytes: number;
  /** Messages of the record batches in the file; `checksum`: xxHash64 of those bytes, 16 hexadecimal digits. */
  readonly batches: readonly {
    readonly offset: number;
    readonly bytes: number;
    readonly rows: number;
    readonly checksum: string;
  }[];
}

export interface NativeFeatureSummary {
  readonly output: string;
  readonly rows: number;
  readonly nulls: number;
  /** Numbers before the transforms; NaN without a value. */
  readonly minimum: number;
  readonly maximum: number;
  readonly mean: number;
  readonly deviation: number;
  readonly skewness: number;
  readonly ids: number;
  readonly empty: number;
  readonly longest: number;
  readonly distinct: number;
  readonly outOfVocabulary: number;
  readonly topShare: number;
  readonly constantInRequest: boolean;
}

export interface IngestResult {
  readonly rows: number;
  readonly requests: number;
  readonly rejected: number;
  readonly dropped: number;
  readonly sampledOut: number;
  readonly duplicates: number;
  /** Stopped above maxBad; the files are not usable. */
  readonly tooManyBad: boolean;
  readonly rejects: readonly {
    readonly file: string;
    readonly row: number;
    readonly column: string;
    readonly value: string;
    readonly reason: string;
  }[];
  readonly files: readonly IngestedFile[];
  readonly tables: readonly { readonly values: string[]; readonly added: number; readonly refused: number }[];
  /** Of dense, then ids, in the order of the spec. */
  readonly features: readonly NativeFeatureSummary[];
}

export interface NativeIngest {
  /** Once. */
  run(): Promise<IngestResult>;
  cancel(): void;
  progress(): { rowsRead: number; rowsWritten: number; partsDone: number };
}

export interface ProfileSpec {
  readonly source: LogSource;
  readonly rowInput: number;
  readonly requestInput?: number;
  readonly timeInput?: number;
  readonly momentInputs: readonly number[];
  readonly momentLog1p: readonly boolean[];
  /** Moments of the requests on one side of a split only; absent, or splitFraction below 0: of all rows. */
  readonly split?: Pick<IngestSampling, 'seed' | 'splitFraction' | 'splitKeepBelow'>;
  readonly threads: number;
  readonly memoryBytes: number;
}

export interface LogProfile {
  readonly parts: readonly { readonly rows: number; readonly headRows: number }[];
  readonly rows: number;
  readonly requests: number;
  readonly requestsTogether: boolean;
  readonly chronological: boolean;
  readonly moments: readonly { readonly mean: number; readonly deviation: number; readonly count: number }[];
}

/** Arrow IPC files or streams to one Parquet file; mirror of native/arrow/stage.h. */
export interface StageSpec {
  readonly library: string;
  readonly setup: readonly string[];
  readonly paths: readonly string[];
  readonly output: string;
  readonly fileColumn: string;
  readonly rowColumn: string;
  readonly memoryBytes: number;
}

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
  /** Ascending working sets. */
  readonly bandwidth: readonly Bandwidth[];
}

/** Benchmarks of single operations on one thread: seconds of a call, per sample. */
export interface NativeBench {
  /** Every operation of the plan's only segment, over the batch. */
  kernel(plan: Plan, batch: ArrayBatch, sampling: BenchSampling): Promise<Float64Array>;
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
  /** Takes at most `batches` from a loader, as fast as it gives them. */
  drain(loader: NativeLoader, batches: number): Promise<{ batches: number; rows: number; seconds: number }>;
  /** Cores this process may use; empty where the system does not say. */
  allowedCores(): number[];
  /** Moves every thread of the process to these cores. @throws UNSUPPORTED, INVALID_ARGUMENT. */
  pin(cores: readonly number[]): void;
}

export interface Addon {
  info(): {
    version: string;
    isa: string;
    cpu: string;
    cores: number;
    compiler: string;
    cuda: string;
    kernels: string[];
  };
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
  profileLog(spec: ProfileSpec): Promise<LogProfile>;
  /** Rows written. */
  stageArrow(spec: StageSpec): Promise<number>;
  /** xxHash64, seed 0, of each int64 (8 bytes little-endian). */
  hashInt64(values: BigInt64Array): BigUint64Array;
  /** xxHash64, seed 0, of each UTF-8 string; string i is bytes[offsets[i], offsets[i + 1]). */
  hashUtf8(bytes: Uint8Array, offsets: Int32Array): BigUint64Array;
  metrics: NativeMetrics;
  bench: NativeBench;
}
