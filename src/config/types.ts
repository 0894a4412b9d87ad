/**
 * The configuration with every default filled in. It is itself a valid configuration: written as YAML
 * and read back it is the same.
 */
import type { MatmulPrecision, TableType } from '../runtime/native-program.js';
import type { BalancingKind, GradientNorm, LossKind } from '../runtime/plan.js';
import { type ModelConfig, taskModeOf } from './models.js';

/** Whose a feature is; context features belong to the request. */
export const SIDES = ['user', 'ad', 'context'] as const;

export type Side = (typeof SIDES)[number];

/** Applied left to right. `standardize` uses mean and standard deviation of the training split (after the steps before it). */
export type DenseTransform = 'log1p' | 'standardize';

/** One SQL query over logs. */
export interface SqlSource {
  readonly sql: string;
  /** Where relative paths inside the SQL start. */
  readonly directory: string;
  /** Tables that the SQL can name: absolute paths, globs or URLs of files of any kind. */
  readonly files?: { readonly [table: string]: readonly string[] };
}

/** Absolute paths, globs or URLs, or a query. */
export type SourceConfig = readonly string[] | SqlSource;

export type NullPolicy = 'default' | 'drop' | 'error';

interface FeatureConfigBase {
  readonly name: string;
  /** Column of the raw log. */
  readonly column: string;
  /** `default`: a dense null is encoded as 0, an id as out-of-vocabulary, a list as empty. */
  readonly nulls: NullPolicy;
}

export interface DenseFeatureConfig extends FeatureConfigBase {
  readonly kind: 'dense';
  readonly transform: readonly DenseTransform[];
}

export interface IdFeatureConfig extends FeatureConfigBase {
  readonly kind: 'categorical' | 'multi';
  /** Features that name the same table share it. */
  readonly table: string;
  readonly dim: number;
  /** Exactly one of `vocabulary` and `hash` is given. */
  readonly vocabulary?: {
    readonly minFrequency: number;
    /** Rows of the table, row 0 included: it keeps its shape when values are added later. Absent: as many as needed. */
    readonly capacity?: number;
  };
  readonly hash?: { readonly buckets: number };
  /** multi only. */
  readonly pooling?: 'sum' | 'mean';
  /** multi only: column of list weights, as long as the ids. */
  readonly weights?: string;
}

export type FeatureConfig = DenseFeatureConfig | IdFeatureConfig;

/** One column, or Σ scalar · column over quality events. */
export type CqsConfig = string | { readonly events: readonly { readonly column: string; readonly scalar: number }[] };

/** Roles that are one raw column each; `cqs` has its own form. */
export const SIMPLE_ROLES = [
  'request',
  'ad',
  'user',
  'impression',
  'click',
  'conversion',
  'stage',
  'ctrTraffic',
  'finalCtr',
  'bid',
  'objective',
  'earlyCvr',
  'earlyVtr',
  'finalTotalValue',
  'time',
  'weight',
] as const;

export type SimpleRole = (typeof SIMPLE_ROLES)[number];

export type ColumnsConfig = { readonly [role in SimpleRole]?: string } & { readonly cqs?: CqsConfig };

/** Stages of the cascade, the furthest one last; a row's stage is the furthest that it reached. */
export const STAGES = ['retrieved', 'early', 'final', 'auction', 'impression', 'click', 'conversion'] as const;

export type Stage = (typeof STAGES)[number];

/** Share of the requests that a split by hash keeps for evaluation unless it says. */
export const DEFAULT_SPLIT_FRACTION = 0.1;

/** Which rows of the one log `data.train` are for evaluation; the others are for training. */
export type SplitConfig =
  /** Rows whose time is not before `at`. */
  | { readonly by: 'time'; readonly at: string | number }
  /** A share of the requests, drawn by a hash of the request. */
  | { readonly by: 'hash'; readonly fraction: number }
  /** Rows whose `column` holds one of `eval`. */
  | { readonly by: 'column'; readonly column: string; readonly eval: readonly (string | number | boolean)[] };

export interface AugmentationConfig {
  /** Non-impressions that may be kept: of the final stage, of the early stage, or both. */
  readonly pool: 'final' | 'early' | 'mixed';
  /** Expected number of kept rows per request. Exactly one of `perRequest` and `rate` is given. */
  readonly perRequest?: number;
  /** Share of the pool's rows that is kept. */
  readonly rate?: number;
  /** `inverse`: a kept row's weight is multiplied by 1 / rate. */
  readonly weight: 'none' | 'inverse';
}

/** Whole-chain sampling: the share of rows kept by the furthest stage reached. */
export interface SamplingConfig {
  readonly stages: { readonly [stage in Stage]: number };
  /** `inverse`: a kept row's weight is multiplied by 1 / its rate. `logit`: the log of its class's rate is added to the logits in training. */
  readonly weight: 'none' | 'inverse' | 'logit';
}

export interface DataConfig {
  /** Absent only where another source is given to read. */
  readonly train?: SourceConfig;
  readonly eval?: SourceConfig;
  readonly split?: SplitConfig;
  readonly columns: ColumnsConfig;
  readonly features: { readonly [side in Side]: readonly FeatureConfig[] };
  readonly augmentation?: AugmentationConfig;
  readonly sampling?: SamplingConfig;
  /** Rows with the request and the ad of an earlier row. */
  readonly duplicates: 'keep' | 'drop' | 'error';
  readonly shuffle: 'none' | 'window' | 'full';
  /** Rows per chronological block of `shuffle: window`. */
  readonly windowRows: number;
  readonly nulls: NullPolicy;
  readonly maxBad: number;
}

export const AUGMENTED_LABELS = ['pseudo-label', 'negative', 'none'] as const;

export type AugmentedLabel = (typeof AUGMENTED_LABELS)[number];

/**
 * A task with `label` learns that role or column. Without one its name says what it is: `ctr`, `cqs` or `teacher`
 * of the early-stage framework, `cvr` (conversion of a click) or `ctcvr` (click and conversion of an impression), `etr`, `etctr` and
 * `itr` (exposure, exposure and click, no exposure of any candidate), `dropped` (a candidate that the early stage did not pass on). See
 * `taskSource`.
 */
export interface TaskConfig {
  /** λ in the total loss. */
  readonly weight: number;
  readonly loss: Exclude<LossKind, 'mean'>;
  /** Edge of huber and pseudo-huber, scale of log-cosh. */
  readonly delta: number;
  readonly label?: string;
  /** ctr: target of rows that were not shown: `finalCtr`, 0, or none, which leaves them out. */
  readonly augmented?: AugmentedLabel;
  /** teacher: trains its own head, or the CTR head directly. */
  readonly target?: 'own' | 'ctr';
  /** teacher: the rows it trains on. */
  readonly mask?: 'ctrTraffic' | 'hasFinalCtr';
  /** cqs: κ of κ·(CQS − mean)/std. */
  readonly scale?: number;
}

export interface ScheduleConfig {
  readonly kind: 'constant' | 'linear' | 'cosine' | 'polynomial';
  /** Steps of linear growth from 0 to the full rate. */
  readonly warmupSteps: number;
  /** Steps from the end of the warm-up to `finalFraction`; absent: to the end of training. */
  readonly decaySteps?: number;
  /** Rate after the decay, as a fraction of lr. */
  readonly finalFraction: number;
  /** Exponent of the polynomial. */
  readonly power: number;
}

interface OptimizerConfigBase {
  readonly lr: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly initialAccumulator: number;
  readonly l2: number;
  readonly schedule: ScheduleConfig;
}

export interface SparseOptimizerConfig extends OptimizerConfigBase {
  readonly kind: 'sgd' | 'adagrad' | 'rowwise-adagrad' | 'adam';
}

export interface DenseOptimizerConfig extends OptimizerConfigBase {
  readonly kind: 'sgd' | 'adagrad' | 'adam' | 'adamw';
  readonly momentum: number;
  readonly weightDecay: number;
}

export interface BalancingConfig {
  readonly kind: BalancingKind;
  /** mgda: by what the tasks' gradients are divided before they are weighed. */
  readonly normalisation?: GradientNorm;
}

/** PWiseR: converted impressions score above clicked and above unclicked ones by margins, in every batch. */
export interface PwiserConfig {
  /** λ beside the tasks' losses. */
  readonly weight: number;
  /** The scores that are compared. */
  readonly head: 'ctr' | 'ctcvr' | 'both';
  readonly space: 'prob' | 'logit';
  /** Over impressions that were clicked and not converted, and over those that were not clicked. */
  readonly clickMargin: number;
  readonly impressionMargin: number;
  readonly pairNorm: 'mean' | 'sum';
  readonly surrogate: 'hinge' | 'squaredHinge';
}

export interface TrainingConfig {
  readonly batchSize: number;
  /** Exactly one of `epochs` and `steps` is given. */
  readonly epochs?: number;
  readonly steps?: number;
  readonly checkpointEverySteps: number;
  readonly reportEverySteps: number;
  readonly keepCheckpoints: number;
  /** 0: only at the end. */
  readonly evaluateEverySteps: number;
  readonly earlyStopping?: { readonly metric: string; readonly patience: number; readonly minDelta: number };
  readonly sparseOptimizer: SparseOptimizerConfig;
  readonly denseOptimizer: DenseOptimizerConfig;
  readonly schedule: ScheduleConfig;
  /** Global gradient norm; 0: no clipping. */
  readonly clip: { readonly norm: number; readonly scope: 'dense' | 'all' };
  /** How the tasks' gradients of shared parameters become one. */
  readonly balancing: BalancingConfig;
  /** Steps between lines with the norms and cosines of the tasks' gradients; 0: none. */
  readonly gradientCosines: number;
  /** What the tasks' weighted losses become: their sum, or that divided by the number of tasks with a loss (MTReclib). */
  readonly lossReduce: 'sum' | 'mean';
  readonly pwiser?: PwiserConfig;
  /** Folder of the run whose parameters training goes on from. */
  readonly startFrom?: string;
  readonly l2: number;
  /** What tables hold while they are trained and used; files have float32 all the same. */
  readonly tableType: TableType;
  readonly seed: number;
  /** `auto`, `cpu` or `cuda:N`. */
  readonly device: string;
  /** How a GPU multiplies matrices. */
  readonly matmul: MatmulPrecision;
  /** A GPU's matrix products use the fastest of several algorithms, chosen at the first steps. */
  readonly autotune: boolean;
  /** Names of tables that stay in the host's memory, where a GPU reads and writes their rows. */
  readonly hostTables: readonly string[];
  /** MiB of the GPU's memory that hold rows of these tables; `auto`: what is left. */
  readonly hostTableCache: number | 'auto';
  /** `auto`: every core. */
  readonly threads: number | 'auto';
}

export const METRICS = [
  'ne',
  'auc',
  'gauc',
  'logLoss',
  'calibration',
  'ece',
  'mse',
  'nmse',
  'hardRecall',
  'softRecall',
  'recall',
  'rcs',
  'ndcg',
  'tvd',
] as const;

export type MetricName = (typeof METRICS)[number];

export interface EvaluationConfig {
  /** K of the recall metrics: ads that the early stage passes on per request. */
  readonly k: number;
  readonly metrics: readonly MetricName[];
  /** Role whose value groups rows for GAUC; absent when the log has neither request nor user. */
  readonly group?: 'request' | 'user' | 'ad';
}

/** AdQuality = f(CQS); monotone non-decreasing. */
export type QualityFunction =
  | { readonly kind: 'identity' }
  | { readonly kind: 'affine'; readonly scale: number; readonly shift: number }
  | { readonly kind: 'clamp'; readonly min: number; readonly max: number }
  | { readonly kind: 'piecewiseLinear'; readonly knots: readonly (readonly [number, number])[] };

export interface AuctionConfig {
  readonly form: 'additive' | 'multiplicative';
  readonly f: QualityFunction;
}

export interface ResolvedConfig {
  readonly name: string;
  readonly data: DataConfig;
  readonly model: ModelConfig;
  /** In the order of the file; the order of the plan's tasks. */
  readonly tasks: Readonly<Record<string, TaskConfig>>;
  readonly training: TrainingConfig;
  readonly evaluation: EvaluationConfig;
  readonly auction: AuctionConfig;
}

/** Whether the configuration names rows to evaluate on. */
export function hasEvaluationData({ data }: Pick<ResolvedConfig, 'data'>): boolean {
  return data.eval !== undefined || data.split !== undefined;
}

/** Tasks that their name alone defines. */
export const NAMED_TASKS = ['ctr', 'cvr', 'ctcvr', 'etr', 'etctr', 'itr', 'dropped', 'cqs', 'teacher'] as const;

/** Where the target of a task comes from. */
export type TaskSourceKind = (typeof NAMED_TASKS)[number] | 'label';

export function taskSource(name: string, task: { readonly label?: string | undefined }): TaskSourceKind | undefined {
  if (task.label !== undefined) return 'label';
  return NAMED_TASKS.find((known) => known === name);
}

/** Two events, the second of which needs the first: tasks that learn the first, the second where the first happened, both, and neither. */
export const CHAINS = [
  { first: 'ctr', next: 'cvr', both: 'ctcvr' },
  { first: 'etr', next: 'ctr', both: 'etctr', neither: 'itr' },
] as const;

export type Place = 'first' | 'next' | 'both' | 'neither';

/** Sources of the tasks of a configuration. */
export function taskSources(
  tasks: Readonly<Record<string, { readonly label?: string | undefined }>>,
): Set<TaskSourceKind> {
  return new Set(Object.entries(tasks).flatMap(([name, task]) => taskSource(name, task) ?? []));
}

/** Whether tasks learn the whole chain from a request's candidates to clicks, exposure being its first event. */
export function isWholeChain(sources: ReadonlySet<TaskSourceKind>): boolean {
  return (['etr', 'etctr', 'itr', 'dropped'] as const).some((source) => sources.has(source));
}

/** A task's place in the chain that the tasks of a configuration belong to. */
export function placeOf(source: TaskSourceKind, sources: ReadonlySet<TaskSourceKind>): Place | undefined {
  const chain = CHAINS[isWholeChain(sources) ? 1 : 0];
  const found = Object.entries(chain).find(([, name]) => name === source);
  return found?.[0] as Place | undefined;
}

/** Whether a task has an output but no loss: the second event, where it is the ratio of what the model predicts of both and of the first. */
export function isRatio(model: ModelConfig, place: Place | undefined): boolean {
  return place === 'next' && taskModeOf(model) === 'ctr+ctcvr';
}
