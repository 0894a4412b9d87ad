/** Reading logs that are judged or scored rather than trained on. */
import type { FeatureConfig, ResolvedConfig } from '../config/types.js';

/** The configuration for reading a log whole: no row is left out, and one that cannot be read is an error. */
export function readingAll(config: ResolvedConfig): ResolvedConfig {
  const { data } = config;
  const keep = <Feature extends FeatureConfig>(feature: Feature): Feature =>
    feature.nulls === 'drop' ? { ...feature, nulls: 'default' } : feature;
  const { user, ad, context } = data.features;
  return {
    ...config,
    data: {
      ...data,
      features: { user: user.map(keep), ad: ad.map(keep), context: context.map(keep) },
      augmentation: undefined,
      sampling: undefined,
      split: undefined,
      duplicates: 'keep',
      maxBad: 0,
    },
  };
}
