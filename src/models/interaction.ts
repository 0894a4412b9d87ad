/** The feature interactions that two-tower and dlrm share (DLRM, Naumov et al. 2019, §2.1.4; DCN-v2, Wang et al. 2021). */
import { PrerankError } from '../base/errors.js';
import type { InteractionConfig } from '../config/models.js';
import { concat, crossNetwork, dotInteraction, type Value } from '../graph/index.js';

export interface InteractionInputs {
  /** Output of the bottom MLP, [embeddingDim]: takes part in the products. */
  readonly bottom?: Value;
  /** Dense features without a bottom MLP: passed straight on. */
  readonly raw?: Value;
  /** Pooled embeddings, [embeddingDim] each. */
  readonly embeddings: readonly Value[];
}

/**
 * [dense part; embeddings if kept; lower triangle of the products]. With fewer than two vectors there are no products.
 * cross: the cross network on [dense part; embeddings].
 */
export function interact(inputs: InteractionInputs, config: InteractionConfig, embeddingDim: number): Value {
  const { bottom, raw, embeddings } = inputs;
  const vectors = bottom === undefined ? [...embeddings] : [bottom, ...embeddings];
  const dense = raw === undefined ? [] : [raw];
  if (config.kind === 'cross') {
    const { layers, rank } = config;
    return crossNetwork(concat([...dense, ...vectors], 'vectors'), 'interaction', { layers, rank });
  }
  if (config.kind === 'none' || vectors.length < 2) {
    const kept = config.kind === 'none' || config.keepVectors ? vectors : vectors.filter((value) => value === bottom);
    const parts = [...dense, ...kept];
    const layer = embeddings[0]?.graph.layer('interaction') ?? 'interaction';
    if (parts.length === 0) {
      throw new PrerankError(
        'CONFIG_INVALID',
        `layer "${layer}": a single embedding has no products and keepVectors is false, so nothing is left; set model.interaction.keepVectors: true`,
        { path: 'model.interaction' },
      );
    }
    return concat(parts, 'interaction');
  }
  const stacked = concat(vectors, 'vectors');
  const products = dotInteraction(stacked, embeddingDim, 'interaction');
  if (config.keepVectors) return concat([...dense, stacked, products], 'interaction.input');
  return concat([...dense, ...(bottom === undefined ? [] : [bottom]), products], 'interaction.input');
}

/** A bottom MLP feeds the products, so it must end in the embeddings' dimension. */
export function checkBottom(
  bottom: readonly number[] | undefined,
  config: InteractionConfig,
  embeddingDim: number,
): void {
  const last = bottom?.at(-1);
  if (last === undefined || config.kind !== 'dot' || last === embeddingDim) return;
  throw new PrerankError(
    'CONFIG_INVALID',
    `model.bottom ends in ${last} but model.embeddingDim is ${embeddingDim}; dot products need both to be equal`,
    { path: 'model.bottom' },
  );
}
