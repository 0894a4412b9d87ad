/** Small feature maps and model configs for tests. */
import type {
  AitmConfig,
  ColdConfig,
  DlrmConfig,
  EcmConfig,
  EcmmConfig,
  EsmmConfig,
  FscdConfig,
  MlpConfig,
  MmoeConfig,
  PleConfig,
  SharedBottomConfig,
  TamlConfig,
  TwoTowerConfig,
  VectorProductConfig,
} from '../../src/config/models.js';
import type { Place, Side } from '../../src/config/types.js';
import type { DenseFeature, Feature, FeatureMap, IdFeature, Table } from '../../src/data/features.js';
import type { ModelTask } from '../../src/models/model.js';

export function dense(name: string, side: Side): DenseFeature {
  return { name, side, source: name, column: `feature.${name}`, kind: 'dense', transforms: [], mean: 0, std: 1 };
}

export function categorical(name: string, side: Side, table = name): IdFeature {
  return { name, side, source: name, column: `feature.${name}`, kind: 'categorical', table, pooling: 'sum' };
}

export function multi(
  name: string,
  side: Side,
  table: string,
  options: { mean?: boolean; weighted?: boolean } = {},
): IdFeature {
  return {
    name,
    side,
    source: name,
    column: `feature.${name}`,
    kind: 'multi',
    table,
    pooling: options.mean ? 'mean' : 'sum',
    ...(options.weighted ? { weightsSource: `${name}_w`, weightsColumn: `weights.${name}` } : {}),
  };
}

export function table(name: string, rows: number, dim: number): Table {
  return { name, rows, dim, mapping: { kind: 'hash', valueType: 'int', buckets: rows } };
}

export function featureMap(features: readonly Feature[], tables: readonly Table[]): FeatureMap {
  return { version: 1, features, tables, cqs: null };
}

/** Both sides, dense and ids, shared and odd-sized tables, lists with weights and means. */
export const FEATURES = featureMap(
  [
    dense('age', 'user'),
    dense('hour', 'context'),
    categorical('country', 'user'),
    multi('recent_ads', 'user', 'ad_id', { mean: true }),
    dense('price', 'ad'),
    dense('quality', 'ad'),
    dense('age_days', 'ad'),
    categorical('ad_id', 'ad'),
    multi('words', 'ad', 'words', { weighted: true }),
  ],
  [table('country', 7, 4), table('ad_id', 33, 4), table('words', 19, 3)],
);

export const TWO_TOWER: TwoTowerConfig = {
  kind: 'two-tower',
  embeddingDim: 4,
  bottom: [6, 4],
  interaction: { kind: 'dot', keepVectors: true },
  tower: { hidden: [9], out: 5, dropout: 0 },
  merge: 'concat+hadamard',
  heads: { hidden: [7], dropout: 0 },
};

export const DLRM: DlrmConfig = {
  kind: 'dlrm',
  embeddingDim: 4,
  bottom: [6, 4],
  interaction: { kind: 'dot', keepVectors: true },
  top: { hidden: [11, 6], dropout: 0 },
};

export const TASKS: readonly ModelTask[] = [
  { name: 'ctr', kind: 'bce', weight: 1, delta: 1 },
  { name: 'cqs', kind: 'mse', weight: 1.5, delta: 1 },
  { name: 'teacher', kind: 'bce', weight: 2, delta: 1 },
];

const layers = (...hidden: number[]) => ({ hidden, dropout: 0 });

export const MLP: MlpConfig = { kind: 'mlp', embeddingDim: 4, bottom: [6, 3], net: layers(9, 5) };

export const SHARED_BOTTOM: SharedBottomConfig = {
  kind: 'shared-bottom',
  embeddingDim: 4,
  taskMode: 'ctr+cvr(product)',
  shared: layers(11),
  towers: layers(5),
};

export const MMOE: MmoeConfig = {
  kind: 'mmoe',
  embeddingDim: 4,
  taskMode: 'ctr+cvr(product)',
  experts: { count: 3, ...layers(6) },
  gates: { bias: false, shared: false },
  towers: layers(5),
};

export const PLE: PleConfig = {
  kind: 'ple',
  embeddingDim: 4,
  taskMode: 'ctr+cvr(product)',
  levels: [
    { shared: 2, perTask: 1, ...layers(7) },
    { shared: 1, perTask: 2, ...layers(6, 5) },
  ],
  gates: { bias: false },
  towers: layers(4),
};

export const ESMM: EsmmConfig = { kind: 'esmm', embeddingDim: 4, net: layers(8, 5) };

export const AITM: AitmConfig = { kind: 'aitm', embeddingDim: 4, bottoms: layers(8, 5), calibrator: 0.6 };

export const TAML: TamlConfig = {
  kind: 'taml',
  embeddingDim: 4,
  experts: { general: 1, task: 2, learner: 1, ...layers(6) },
  learners: 2,
  towers: layers(5),
  distillation: { alpha: 0.1, beta: 0.2, stopGradient: true, reduce: 'sum', cvrRows: 'impressions' },
};

export const VECTOR_PRODUCT: VectorProductConfig = {
  kind: 'vector-product',
  embeddingDim: 4,
  bottom: [6],
  sides: layers(9, 5),
};

export const COLD: ColdConfig = {
  kind: 'cold',
  embeddingDim: 4,
  gate: 'concat',
  trunk: layers(9, 5),
  head: 'logit',
  releaseCompat: false,
};

export const FSCD: FscdConfig = {
  kind: 'fscd',
  embeddingDim: 4,
  phase: 'search',
  temperature: 0.5,
  complexity: {
    weight: 0.1,
    operations: { user: 0.4, ad: 1.5, context: 3 },
    fields: [{ field: 'price', operations: 7 }],
    gamma: { operations: 1, width: 0.01, keys: 0.02 },
  },
  trunk: layers(9, 5),
  head: 'logit',
};

export const ECMM: EcmmConfig = {
  kind: 'ecmm',
  releaseCompat: false,
  embeddingDim: 4,
  inputGate: true,
  subnets: { counts: [3, 2], width: 5 },
  routing: { gates: true, temperature: 0.66, low: -0.1, high: 1.1, l0: 0.05, transform: false },
  stacks: layers(4),
};

export const ECM: EcmConfig = { kind: 'ecm', embeddingDim: 4, trunk: layers(9, 5) };

const PLACES = { ctr: 'first', cvr: 'next', ctcvr: 'both' } as const;

const conversion = (name: keyof typeof PLACES, weight: number): ModelTask => ({
  name,
  kind: 'bce',
  weight,
  delta: 1,
  place: PLACES[name],
});

/** Clicks and conversions by task mode. */
export const CONVERSIONS = {
  separate: [conversion('ctr', 1), conversion('cvr', 1), conversion('ctcvr', 0)],
  'ctr+cvr(product)': [conversion('ctr', 1), conversion('cvr', 0), conversion('ctcvr', 1)],
  softmax: [conversion('ctr', 0), conversion('cvr', 0), conversion('ctcvr', 0)],
  'ctr+ctcvr': [conversion('ctr', 1), { ...conversion('cvr', 0), lossless: true }, conversion('ctcvr', 1)],
} as const satisfies Record<string, readonly ModelTask[]>;

const chained = (name: string, place: Place, weight: number): ModelTask => ({
  name,
  kind: 'bce',
  weight,
  delta: 1,
  place,
});

/** Exposure, click of the exposed, both, and neither; softmax models give them no loss of their own. */
export const WHOLE_CHAIN: readonly ModelTask[] = [
  chained('etr', 'first', 0),
  chained('ctr', 'next', 0),
  chained('etctr', 'both', 0),
  chained('itr', 'neither', 0),
];
