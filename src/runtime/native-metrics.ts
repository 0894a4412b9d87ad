/** Metrics over the mapped columns of a dataset: mirror of `native/addon/metrics_binding`. */
import type { NativeDataset } from './native-dataset.js';

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
