/** Features with their defaults, and the settings that features of one table share. */
import { didYouMean } from '../base/suggest.js';
import { type Report, without } from './problems.js';
import type { ParsedConfig } from './schema.js';
import { type DataConfig, type FeatureConfig, type IdFeatureConfig, SIDES } from './types.js';

type ParsedFeature = ParsedConfig['data']['features']['user'][number];
type ParsedIdFeature = Exclude<ParsedFeature, { kind: 'dense' }>;

interface LocatedFeature {
  readonly feature: ParsedFeature;
  readonly path: readonly (string | number)[];
}

const DEFAULT_MIN_FREQUENCY = 2;

/** What the features of one table agree on: the first explicit setting counts for all. */
interface SharedTable {
  dim?: number;
  mapping?: Pick<IdFeatureConfig, 'vocabulary' | 'hash'>;
}

function collectTables(features: readonly LocatedFeature[], report: Report): Map<string, SharedTable> {
  const tables = new Map<string, SharedTable>();
  for (const { feature, path } of features) {
    if (feature.kind === 'dense') continue;
    const name = feature.table ?? feature.name;
    const shared = tables.get(name) ?? {};
    tables.set(name, shared);
    if (feature.vocabulary && feature.hash) report(path, 'give either vocabulary or hash, not both');
    const mapping = feature.vocabulary
      ? { vocabulary: feature.vocabulary }
      : feature.hash
        ? { hash: feature.hash }
        : undefined;
    if (mapping) {
      if (shared.mapping && JSON.stringify(shared.mapping) !== JSON.stringify(mapping)) {
        report(path, `table "${name}" is shared, but vocabulary or hash differs from another feature's`);
      }
      shared.mapping ??= mapping;
    }
    if (feature.dim !== undefined) {
      if (shared.dim !== undefined && shared.dim !== feature.dim) {
        report([...path, 'dim'], `table "${name}" is shared and has dim ${shared.dim} elsewhere`);
      }
      shared.dim ??= feature.dim;
    }
  }
  return tables;
}

function resolveIdFeature(
  feature: ParsedIdFeature,
  table: SharedTable | undefined,
  data: ParsedConfig['data'],
  dim: number,
): IdFeatureConfig {
  return without({
    name: feature.name,
    kind: feature.kind,
    column: feature.column ?? feature.name,
    table: feature.table ?? feature.name,
    dim: table?.dim ?? dim,
    ...(table?.mapping ?? { vocabulary: { minFrequency: DEFAULT_MIN_FREQUENCY } }),
    pooling: feature.kind === 'multi' ? feature.pooling : undefined,
    weights: feature.kind === 'multi' ? feature.weights : undefined,
    nulls: feature.nulls ?? data.nulls,
  });
}

export function resolveFeatures(parsed: ParsedConfig, report: Report): DataConfig['features'] {
  const { data, model } = parsed;
  const located = SIDES.flatMap((side) =>
    data.features[side].map((feature, i): LocatedFeature => ({ feature, path: ['data', 'features', side, i] })),
  );
  if (located.length === 0) report(['data', 'features'], 'at least one feature is needed');
  const names = new Set<string>();
  for (const { feature, path } of located) {
    if (names.has(feature.name)) report([...path, 'name'], `feature "${feature.name}" is defined twice`);
    names.add(feature.name);
    if (!/^[A-Za-z0-9_-]+$/.test(feature.name)) {
      report([...path, 'name'], 'a feature is named by letters, digits, _ and -; use column: for the name in the log');
    }
  }
  const tables = collectTables(located, report);
  const resolve = (feature: ParsedFeature): FeatureConfig => {
    if (feature.kind !== 'dense') {
      return resolveIdFeature(feature, tables.get(feature.table ?? feature.name), data, model.embeddingDim);
    }
    const transform = feature.transform === 'none' ? [] : [feature.transform].flat();
    const column = feature.column ?? feature.name;
    return { name: feature.name, kind: 'dense', column, transform, nulls: feature.nulls ?? data.nulls };
  };
  const resolved = {
    user: data.features.user.map(resolve),
    ad: data.features.ad.map(resolve),
    context: data.features.context.map(resolve),
  };
  checkSides(parsed, resolved, report);
  checkFields(parsed, names, report);
  return resolved;
}

function checkFields({ model }: ParsedConfig, names: ReadonlySet<string>, report: Report): void {
  const known = (path: (string | number)[], name: string): void => {
    if (!names.has(name)) report(path, `there is no feature "${name}"${didYouMean(name, [...names])}`);
  };
  for (const [i, name] of (model.fields ?? []).entries()) known(['model', 'fields', i], name);
  if (model.kind !== 'fscd') return;
  for (const [i, { field }] of model.complexity.fields.entries()) known(['model', 'complexity', 'fields', i], field);
}

function checkSides(parsed: ParsedConfig, features: DataConfig['features'], report: Report): void {
  const { kind } = parsed.model;
  if (kind === 'two-tower' || kind === 'vector-product') {
    for (const side of ['user', 'ad'] as const) {
      if (features[side].length === 0) {
        report(
          ['data', 'features', side],
          `model ${kind} needs at least one ${side} feature (one list is for models without towers of user and ad)`,
        );
      }
    }
  }
}
