/** Adds features of one configuration to another: the feature set of a model that is trained again. */
import { PrerankError } from '../base/errors.js';
import { type FeatureConfig, type IdFeatureConfig, type ResolvedConfig, SIDES, type Side } from './types.js';

/**
 * `base` with the named features of `source` that it has not, in their order; one that it has stays as it is. A feature whose
 * table is in `base` takes that table's rows and dimension.
 * @throws PrerankError CONFIG_INVALID when `source` has no feature of a name.
 */
export function addFeatures(base: ResolvedConfig, source: ResolvedConfig, names: readonly string[]): ResolvedConfig {
  const known = new Set(SIDES.flatMap((side) => base.data.features[side].map(({ name }) => name)));
  const tables = new Map(
    SIDES.flatMap((side) => base.data.features[side].filter(isId)).map((feature) => [feature.table, feature]),
  );
  const added: Record<Side, FeatureConfig[]> = { user: [], ad: [], context: [] };
  for (const name of names) {
    const side = SIDES.find((candidate) => source.data.features[candidate].some((feature) => feature.name === name));
    const feature = side && source.data.features[side].find((candidate) => candidate.name === name);
    if (side === undefined || feature === undefined) {
      throw new PrerankError('CONFIG_INVALID', `the source has no feature ${name}`, { path: 'data.features' });
    }
    if (!known.has(name)) added[side].push(isId(feature) ? inTable(feature, tables.get(feature.table)) : feature);
  }
  const { user, ad, context } = base.data.features;
  const features = {
    user: [...user, ...added.user],
    ad: [...ad, ...added.ad],
    context: [...context, ...added.context],
  };
  return { ...base, data: { ...base.data, features } };
}

function isId(feature: FeatureConfig): feature is IdFeatureConfig {
  return feature.kind !== 'dense';
}

function inTable(feature: IdFeatureConfig, known: IdFeatureConfig | undefined): IdFeatureConfig {
  if (known === undefined) return feature;
  const { vocabulary: _vocabulary, hash: _hash, ...own } = feature;
  const mapping = known.hash === undefined ? { vocabulary: known.vocabulary } : { hash: known.hash };
  return { ...own, dim: known.dim, ...mapping } as IdFeatureConfig;
}
