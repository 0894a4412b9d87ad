/**
 * What ingestion learned about the features: how raw values map to table rows and numbers.
 * Written as `features.json` beside a model (so that serving can encode) and beside `dataset.json`.
 */

import type { DenseTransform, Side } from '../config/types.js';
import { vocabularySize } from './vocabulary.js';

interface FeatureBase {
  readonly name: string;
  readonly side: Side;
  /** Column of the raw log. */
  readonly source: string;
  /** Column of the encoded dataset: `feature.<name>`. */
  readonly column: string;
}

export interface DenseFeature extends FeatureBase {
  readonly kind: 'dense';
  readonly transforms: readonly DenseTransform[];
  readonly mean: number;
  readonly std: number;
}

export interface IdFeature extends FeatureBase {
  readonly kind: 'categorical' | 'multi';
  /** Name of its table; several features may share one. */
  readonly table: string;
  readonly pooling: 'sum' | 'mean';
  /** multi: raw column of weights, and the encoded one (`weights.<name>`). */
  readonly weightsSource?: string;
  readonly weightsColumn?: string;
}

export type Feature = DenseFeature | IdFeature;

/** Row 0 of every vocabulary table is out-of-vocabulary (unknown, too rare, null). */
export type IdMapping =
  | {
      readonly kind: 'vocabulary';
      readonly valueType: 'int' | 'string';
      readonly minFrequency: number;
      /** Rows of the table whatever the number of values; absent: as many as needed. */
      readonly capacity?: number;
      readonly values: readonly string[];
    }
  | { readonly kind: 'hash'; readonly valueType: 'int' | 'string'; readonly buckets: number };

export interface Table {
  readonly name: string;
  readonly rows: number;
  /** Embedding dimension; when it differs from the model's embeddingDim a learned projection follows. */
  readonly dim: number;
  readonly mapping: IdMapping;
}

/** Rows of a table with this mapping. */
export function tableRows(mapping: IdMapping): number {
  return mapping.kind === 'hash' ? mapping.buckets : (mapping.capacity ?? vocabularySize(mapping) + 1);
}

export interface FeatureMap {
  readonly version: 1;
  readonly features: readonly Feature[];
  readonly tables: readonly Table[];
  /** mean and std of the CQS over the training split, raw units; null without CQS. */
  readonly cqs: { readonly mean: number; readonly std: number } | null;
}

/** Column of the encoded dataset with a label that is no role, by its raw column. */
export function labelColumn(column: string): string {
  return `label.${column}`;
}

/**
 * Role columns of the encoded dataset. float32 columns hold NaN for null.
 * Labels that are no role (`labelColumn`) are float32 too.
 */
export const ROLE_COLUMNS = {
  request: { column: 'role.request', type: 'uint32' },
  user: { column: 'role.user', type: 'uint32' },
  ad: { column: 'role.ad', type: 'uint32' },
  impression: { column: 'role.impression', type: 'uint8' },
  ctrTraffic: { column: 'role.ctrTraffic', type: 'uint8' },
  stage: { column: 'role.stage', type: 'uint8' },
  objective: { column: 'role.objective', type: 'uint8' },
  click: { column: 'role.click', type: 'float32' },
  conversion: { column: 'role.conversion', type: 'float32' },
  finalCtr: { column: 'role.finalCtr', type: 'float32' },
  cqs: { column: 'role.cqs', type: 'float32' },
  bid: { column: 'role.bid', type: 'float32' },
  earlyCvr: { column: 'role.earlyCvr', type: 'float32' },
  earlyVtr: { column: 'role.earlyVtr', type: 'float32' },
  finalTotalValue: { column: 'role.finalTotalValue', type: 'float32' },
  weight: { column: 'role.weight', type: 'float32' },
} as const;

export type Role = keyof typeof ROLE_COLUMNS;

/**
 * Labels made of other columns, float32, NaN where they teach nothing. cvr: the conversion of a click. ctcvr: click and
 * conversion; a conversion without a click contradicts itself. etr: exposure; itr: none; etctr: exposure and click; a click without an
 * exposure contradicts itself. dropped: the early stage is the furthest that was reached, and did not pass the ad on.
 */
export const DERIVED_LABELS = {
  cvr: 'derived.cvr',
  ctcvr: 'derived.ctcvr',
  etr: 'derived.etr',
  etctr: 'derived.etctr',
  itr: 'derived.itr',
  dropped: 'derived.dropped',
} as const;

export type DerivedLabelName = keyof typeof DERIVED_LABELS;
