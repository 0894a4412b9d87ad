/** The feature map of a configuration: drafted from the columns' types, completed with what a log teaches. */
import { PrerankError } from '../base/errors.js';
import { type FeatureConfig, type IdFeatureConfig, type ResolvedConfig, SIDES, type Side } from '../config/types.js';
import type { IngestResult, LogProfile } from '../runtime/native.js';
import {
  type DenseFeature,
  type Feature,
  type FeatureMap,
  type IdFeature,
  type IdMapping,
  type Table,
  tableRows,
} from './features.js';
import type { Log } from './log.js';
import { cqsSql, type IdType, idColumn, numberSql } from './plan-columns.js';
import type { MomentColumn } from './profile.js';
import { withJsonValues } from './vocabulary.js';

interface Located<T extends FeatureConfig> {
  readonly feature: T;
  readonly side: Side;
  readonly path: string;
}

function locate(config: ResolvedConfig): Located<FeatureConfig>[] {
  return SIDES.flatMap((side) =>
    config.data.features[side].map((feature, i) => ({ feature, side, path: `data.features.${side}[${i}]` })),
  );
}

const isId = (located: Located<FeatureConfig>): located is Located<IdFeatureConfig> => located.feature.kind !== 'dense';

interface TableUse {
  readonly config: IdFeatureConfig;
  readonly type: IdType;
  readonly first: string;
}

function tableUses(log: Log, features: readonly Located<IdFeatureConfig>[]): Map<string, TableUse> {
  const uses = new Map<string, TableUse>();
  for (const { feature, path } of features) {
    const { column, type } = idColumn(log, feature.column, feature.kind === 'multi', path);
    const use = uses.get(feature.table);
    if (use === undefined) {
      uses.set(feature.table, { config: feature, type, first: feature.column });
    } else if (use.type !== type) {
      throw new PrerankError(
        'COLUMN_TYPE',
        `${log.name}: ${path} shares table "${feature.table}" with column "${use.first}", which holds ${use.type} values, but column "${column.name}" is ${column.type}. Cast one of them`,
        { file: log.name, column: column.name, path },
      );
    }
  }
  return uses;
}

function tableOf(name: string, { config, type: valueType }: TableUse): Table {
  const { dim, hash, vocabulary } = config;
  const { minFrequency = 1, capacity } = vocabulary ?? {};
  const mapping: IdMapping = hash
    ? { kind: 'hash', valueType, buckets: hash.buckets }
    : { kind: 'vocabulary', valueType, minFrequency, ...(capacity !== undefined && { capacity }), values: [] };
  return { name, rows: tableRows(mapping), dim, mapping };
}

function describeFeature({ feature, side }: Located<FeatureConfig>): Feature {
  const base = { name: feature.name, side, source: feature.column, column: `feature.${feature.name}` };
  if (feature.kind === 'dense') {
    return { ...base, kind: 'dense', transforms: feature.transform, mean: 0, std: 1 } satisfies DenseFeature;
  }
  const weights = feature.weights && { weightsSource: feature.weights, weightsColumn: `weights.${feature.name}` };
  return {
    ...base,
    kind: feature.kind,
    table: feature.table,
    pooling: feature.pooling ?? 'sum',
    ...weights,
  } satisfies IdFeature;
}

/** A feature map without statistics and values, and the statistics that it lacks. */
export interface FeatureDraft {
  readonly map: FeatureMap;
  /** Of `standardized` in order, then of the CQS when there is one. */
  readonly moments: readonly MomentColumn[];
  /** Names of dense features. */
  readonly standardized: readonly string[];
}

/** Whether `log1p` comes before `standardize`. */
function standardizesLog1p(transforms: readonly string[]): boolean {
  const log1p = transforms.indexOf('log1p');
  return log1p >= 0 && log1p < transforms.indexOf('standardize');
}

/** @throws PrerankError COLUMN_MISSING, COLUMN_TYPE naming the configuration path. */
export function draftFeatureMap(log: Log, config: ResolvedConfig): FeatureDraft {
  const located = locate(config);
  const moments: MomentColumn[] = [];
  const standardized: string[] = [];
  for (const { feature, path } of located) {
    if (feature.kind !== 'dense') continue;
    const sql = numberSql(log, feature.column, path);
    if (!feature.transform.includes('standardize')) continue;
    standardized.push(feature.name);
    moments.push({ sql, log1p: standardizesLog1p(feature.transform) });
  }
  const tables = [...tableUses(log, located.filter(isId))].map(([name, use]) => tableOf(name, use));
  const cqs = cqsSql(log, config);
  if (cqs !== undefined) moments.push({ sql: cqs, log1p: false });
  return { map: { version: 1, features: located.map(describeFeature), tables, cqs: null }, moments, standardized };
}

/** The draft with means and deviations. */
export function withMoments({ map, moments, standardized }: FeatureDraft, learnt: LogProfile['moments']): FeatureMap {
  const of = (i: number): { mean: number; std: number } => {
    const { mean, deviation } = learnt[i] ?? { mean: 0, deviation: 1 };
    return { mean, std: deviation };
  };
  const positions = new Map(standardized.map((name, i): [string, number] => [name, i]));
  const features = map.features.map((feature): Feature => {
    const i = positions.get(feature.name);
    return feature.kind !== 'dense' || i === undefined ? feature : { ...feature, ...of(i) };
  });
  return { ...map, features, cqs: moments.length > standardized.length ? of(standardized.length) : null };
}

/** The map with the values that an ingest learnt. */
export function withVocabularies(map: FeatureMap, learnt: IngestResult['tables']): FeatureMap {
  const tables = map.tables.map((table, i): Table => {
    const found = learnt[i];
    if (table.mapping.kind === 'hash' || found === undefined) return table;
    const mapping = withJsonValues(table.mapping, found.valuesJson, found.values);
    return { ...table, rows: tableRows(mapping), mapping };
  });
  return { ...map, tables };
}
