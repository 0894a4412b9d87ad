/** The training steps that speed is stated for, so that figures of different days and machines compare. */
import { PrerankError } from '../base/errors.js';
import type { ModelConfig } from '../config/models.js';
import type { DenseOptimizerConfig, Side, SparseOptimizerConfig } from '../config/types.js';
import { type Feature, type FeatureMap, ROLE_COLUMNS, type Table } from '../data/features.js';
import type { ModelTask } from '../models/model.js';
import type { TaskSourceSpec } from '../runtime/native.js';

/** Exponent of the id distribution of every table. */
export const ID_SKEW = 1.05;

export interface ReferenceStep {
  readonly name: string;
  /** Rows of a batch when none is asked for. */
  readonly batch: number;
  readonly features: FeatureMap;
  /** Ids of a multi-valued feature: uniform between these. */
  readonly listLength: { readonly min: number; readonly max: number };
  /** Instead, in every row of these features so many ids. */
  readonly poolingFactors?: Readonly<Record<string, number>>;
  readonly model: ModelConfig;
  readonly tasks: readonly ModelTask[];
  readonly sources: readonly TaskSourceSpec[];
  readonly sparse: SparseOptimizerConfig['kind'];
  readonly dense: DenseOptimizerConfig['kind'];
}

function denseFeature(name: string, side: Side): Feature {
  return { name, side, source: name, column: `feature.${name}`, kind: 'dense', transforms: [], mean: 0, std: 1 };
}

/** A feature with a table of its own. */
function idFeature(name: string, side: Side, kind: 'categorical' | 'multi'): Feature {
  return { name, side, source: name, column: `feature.${name}`, kind, table: name, pooling: 'sum' };
}

/** `rows`: of every table, or of each. */
function featureMap(features: readonly Feature[], rows: number | readonly number[], dim: number): FeatureMap {
  const names = features.flatMap((feature) => (feature.kind === 'dense' ? [] : [feature.table]));
  const tables = names.map((name, i): Table => {
    const count = typeof rows === 'number' ? rows : (rows[i] ?? 1);
    return { name, rows: count, dim, mapping: { kind: 'hash', valueType: 'int', buckets: count } };
  });
  return { version: 1, features, tables, cqs: null };
}

function numbered<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

const CLICK: TaskSourceSpec = { target: ROLE_COLUMNS.click.column, probability: true };

function task(name: string, kind: ModelTask['kind'], weight: number): ModelTask {
  return { name, kind, weight, delta: 1 };
}

/** A tower's features: `dense` dense ones, 6 single-valued and 2 multi-valued categorical ones. */
function towerFeatures(side: 'user' | 'ad', dense: number): Feature[] {
  return [
    ...numbered(dense, (i) => denseFeature(`${side}_d${i}`, side)),
    ...numbered(6, (i) => idFeature(`${side}_c${i}`, side, 'categorical')),
    ...numbered(2, (i) => idFeature(`${side}_m${i}`, side, 'multi')),
  ];
}

const TWO_TOWER_D: ReferenceStep = {
  name: 'two-tower-d',
  batch: 4096,
  features: featureMap([...towerFeatures('user', 8), ...towerFeatures('ad', 5)], 100_000, 32),
  listLength: { min: 1, max: 39 },
  model: {
    kind: 'two-tower',
    embeddingDim: 32,
    interaction: { kind: 'dot', keepVectors: true },
    tower: { hidden: [256, 128], out: 64, dropout: 0 },
    merge: 'hadamard+dot',
    heads: { hidden: [64], dropout: 0 },
  },
  tasks: [task('ctr', 'bce', 1), task('cqs', 'mse', 1.5), task('teacher', 'bce', 2)],
  sources: [
    { ...CLICK, traffic: ROLE_COLUMNS.impression.column },
    { target: ROLE_COLUMNS.cqs.column },
    { target: ROLE_COLUMNS.finalCtr.column, probability: true },
  ],
  sparse: 'adagrad',
  dense: 'adam',
};

const DLRM_CRITEO: ReferenceStep = {
  name: 'dlrm-criteo',
  batch: 8192,
  features: featureMap(
    [
      ...numbered(13, (i) => denseFeature(`d${i}`, 'ad')),
      ...numbered(26, (i) => idFeature(`c${i}`, 'ad', 'categorical')),
    ],
    100_000,
    64,
  ),
  listLength: { min: 1, max: 1 },
  model: {
    kind: 'dlrm',
    embeddingDim: 64,
    bottom: [512, 256, 64],
    interaction: { kind: 'dot', keepVectors: false },
    top: { hidden: [512, 512, 256], dropout: 0 },
  },
  tasks: [task('ctr', 'bce', 1)],
  sources: [CLICK],
  sparse: 'adagrad',
  dense: 'adam',
};

const EMBEDDING_HEAVY: ReferenceStep = {
  name: 'embedding-heavy',
  batch: 4096,
  features: featureMap(
    numbered(64, (i) => idFeature(`m${i}`, 'ad', 'multi')),
    1_000_000,
    64,
  ),
  listLength: { min: 1, max: 19 },
  model: {
    kind: 'dlrm',
    embeddingDim: 64,
    interaction: { kind: 'none', keepVectors: true },
    top: { hidden: [256, 64], dropout: 0 },
  },
  tasks: [task('ctr', 'bce', 1)],
  sources: [CLICK],
  sparse: 'rowwise-adagrad',
  dense: 'adam',
};

/** For GPUs: 40 M rows in all, as large as the one-hot Criteo 1TB model of MLPerf's early rounds. */
const DLRM_CRITEO_1TB: ReferenceStep = {
  ...DLRM_CRITEO,
  name: 'dlrm-criteo-1tb',
  batch: 65_536,
  features: featureMap(DLRM_CRITEO.features.features, Math.ceil(40_000_000 / 26), 128),
  model: {
    kind: 'dlrm',
    embeddingDim: 128,
    bottom: [512, 256, 128],
    interaction: { kind: 'dot', keepVectors: false },
    top: { hidden: [1024, 1024, 512, 256], dropout: 0 },
  },
  sparse: 'rowwise-adagrad',
};

/** Ids of a row, and rows of its table, of each categorical feature of DLRM-DCNv2 in MLPerf Training; tables above 10 M rows are cut. */
const DCN_FEATURES = [
  [3, 40_000_000],
  [2, 39_060],
  [1, 17_295],
  [2, 7_424],
  [6, 20_265],
  [1, 3],
  [1, 7_122],
  [1, 1_543],
  [1, 63],
  [7, 40_000_000],
  [3, 3_067_956],
  [8, 405_282],
  [1, 10],
  [6, 2_209],
  [9, 11_938],
  [5, 155],
  [1, 4],
  [1, 976],
  [1, 14],
  [12, 40_000_000],
  [100, 40_000_000],
  [27, 40_000_000],
  [10, 590_152],
  [3, 12_973],
  [1, 108],
  [1, 36],
] as const;

/** For GPUs: DLRM-DCNv2 of MLPerf Training, 214 ids a row. All its tables fill 105 GB; cut to 10 M rows they fill 28. */
const DCN_MULTIHOT: ReferenceStep = {
  name: 'dcn-multihot',
  batch: 65_536,
  features: featureMap(
    [
      ...numbered(13, (i) => denseFeature(`d${i}`, 'ad')),
      ...DCN_FEATURES.map(([ids], i) => idFeature(`c${i}`, 'ad', ids > 1 ? 'multi' : 'categorical')),
    ],
    DCN_FEATURES.map(([, rows]) => Math.min(rows, 10_000_000)),
    128,
  ),
  listLength: { min: 1, max: 1 },
  poolingFactors: Object.fromEntries(DCN_FEATURES.map(([ids], i) => [`c${i}`, ids])),
  model: {
    kind: 'dlrm',
    embeddingDim: 128,
    bottom: [512, 256, 128],
    interaction: { kind: 'cross', layers: 3, rank: 512 },
    top: { hidden: [1024, 1024, 512, 256], dropout: 0 },
  },
  tasks: [task('ctr', 'bce', 1)],
  sources: [CLICK],
  sparse: 'rowwise-adagrad',
  dense: 'adam',
};

export const REFERENCE_STEPS: readonly ReferenceStep[] = [
  TWO_TOWER_D,
  DLRM_CRITEO,
  EMBEDDING_HEAVY,
  DLRM_CRITEO_1TB,
  DCN_MULTIHOT,
];

/** The reference step of that name, or undefined. */
export function findReferenceStep(name: string): ReferenceStep | undefined {
  return REFERENCE_STEPS.find((step) => step.name === name);
}

/** @throws USAGE for an unknown name. */
export function referenceStep(name: string): ReferenceStep {
  const step = findReferenceStep(name);
  if (step !== undefined) return step;
  const names = REFERENCE_STEPS.map((known) => known.name).join(', ');
  throw new PrerankError('USAGE', `there is no reference step "${name}"; the reference steps are ${names}`);
}
