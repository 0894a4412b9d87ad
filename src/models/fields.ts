/** The features of a model at the rows: what single-trunk models read. User features may run once per request. */
import { PrerankError } from '../base/errors.js';
import type { Feature, FeatureMap } from '../data/features.js';
import { concat, expand, mlp, type Value } from '../graph/index.js';
import { type FeatureInputs, type InputDomain, isDense, isId } from './features.js';

/** Values at the rows, the user's first. */
export interface Fields {
  /** All dense features, row [features]. */
  readonly dense: Value | undefined;
  /** Pooled embeddings, row [embeddingDim] each. */
  readonly embeddings: readonly Value[];
}

/** The features that a model reads, all of them unless it names some. */
export function withFields(map: FeatureMap, names: readonly string[] | undefined): FeatureMap {
  if (names === undefined) return map;
  const features = map.features.filter(({ name }) => names.includes(name));
  const missing = names.find((name) => !features.some((feature) => feature.name === name));
  if (missing === undefined) return { ...map, features };
  throw new PrerankError('CONFIG_INVALID', `model.fields names "${missing}", which is no feature of the data`, {
    path: 'model.fields',
  });
}

/** The features in the order of `Fields`: dense ones, then embeddings, each with the user's first. */
export function fieldsInOrder(map: FeatureMap): Feature[] {
  const listed = partsOf(map, 'row').flatMap(({ features }) => features);
  return [...listed.filter(isDense), ...listed.filter(isId)];
}

/** The features of one tower; context features are the user's. */
export function featuresOfSide(map: FeatureMap, side: 'user' | 'ad'): Feature[] {
  const listed = map.features.filter((feature) => (feature.side === 'ad') === (side === 'ad'));
  if (listed.length > 0) return listed;
  throw new PrerankError(
    'CONFIG_INVALID',
    `the ${side} tower has no feature; list some under data.features.${side}${side === 'user' ? ' or data.features.context' : ''}, or use model.kind: dlrm`,
    { path: `data.features.${side}` },
  );
}

interface Part {
  readonly features: readonly Feature[];
  readonly domain: InputDomain;
}

/** A request value at the rows of its request. */
export function toRows(value: Value): Value {
  return value.domain === 'request' ? expand(value) : value;
}

function partsOf(map: FeatureMap, userDomain: InputDomain): Part[] {
  if (map.features.length === 0) {
    throw new PrerankError('CONFIG_INVALID', 'the model has no feature; list some under data.features', {
      path: 'data.features',
    });
  }
  return [
    { features: map.features.filter(({ side }) => side === 'user'), domain: userDomain },
    { features: map.features.filter(({ side }) => side !== 'user'), domain: 'row' },
  ];
}

/** All dense features of the rows, the user's first; one input when both parts are row inputs. */
export function denseFields(inputs: FeatureInputs, map: FeatureMap, userDomain: InputDomain): Value | undefined {
  const parts = partsOf(map, userDomain);
  if (parts.every(({ domain }) => domain === 'row')) {
    return inputs.denseInput(
      'dense',
      parts.flatMap(({ features }) => features.filter(isDense)),
      'row',
    );
  }
  const values = parts.flatMap(({ features, domain }) => {
    const value = inputs.denseInput(`${domain}.dense`, features.filter(isDense), domain);
    return value === undefined ? [] : [toRows(value)];
  });
  return values.length === 0 ? undefined : concat(values, 'dense');
}

/** The pooled embeddings of the rows, the user's first. `owner`: from tables of this name's own. */
export function embeddedFields(
  inputs: FeatureInputs,
  map: FeatureMap,
  userDomain: InputDomain,
  embeddingDim: number,
  owner?: string,
): Value[] {
  return partsOf(map, userDomain).flatMap(({ features, domain }) =>
    features.filter(isId).map((feature) => toRows(inputs.pooled(feature, domain, embeddingDim, owner))),
  );
}

/** [dense features, through the MLP `bottom` if there is one; embeddings]: the input x of the multi-task models. */
export function joinFields({ dense, embeddings }: Fields, bottom: readonly number[] | undefined): Value {
  const hasBottom = dense !== undefined && bottom !== undefined && bottom.length > 0;
  const first = hasBottom ? mlp(dense, 'bottom', { sizes: bottom, last: 'relu' }) : dense;
  return concat(first === undefined ? embeddings : [first, ...embeddings], 'fields');
}

/** All features of the rows over one set of tables. */
export function allFields(
  inputs: FeatureInputs,
  map: FeatureMap,
  userDomain: InputDomain,
  embeddingDim: number,
): Fields {
  const dense = denseFields(inputs, map, userDomain);
  return { dense, embeddings: embeddedFields(inputs, map, userDomain, embeddingDim) };
}

/** x over one set of tables. */
export function sharedFields(
  inputs: FeatureInputs,
  map: FeatureMap,
  userDomain: InputDomain,
  config: { readonly embeddingDim: number; readonly bottom?: readonly number[] },
): Value {
  return joinFields(allFields(inputs, map, userDomain, config.embeddingDim), config.bottom);
}
