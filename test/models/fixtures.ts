/** Small feature maps and model configs for tests. */
import type { DlrmConfig, Side, TwoTowerConfig } from '../../src/config/types.js';
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
