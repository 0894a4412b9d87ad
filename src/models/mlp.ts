/**
 * Single-task networks: each task has embedding tables and an MLP of its own, and shares nothing. With conversions pCTR
 * learns on all impressions, pCVR on clicked ones, and pCTCVR is their product (baseline of TAML, Liu et al. 2023).
 *
 * Parameters: `<task>.bottom.<i>`, `<task>.projections.<feature>`, `<task>.net.<i>`, `embeddings.<task>.<table>`.
 */
import type { MlpConfig } from '../config/models.js';
import { Graph, mlp as layers } from '../graph/index.js';
import { headsOf, withDerived } from './conversion.js';
import { type BuildModel, defineModel } from './define.js';
import { FeatureInputs } from './features.js';
import { denseFields, embeddedFields, joinFields } from './fields.js';

const build: BuildModel<MlpConfig> = (config, features, tasks, userDomain) => {
  const { embeddingDim, bottom, net } = config;
  const graph = new Graph();
  const inputs = new FeatureInputs(graph, features);
  const dense = denseFields(inputs, features, userDomain);
  const heads = headsOf('separate', tasks).map(({ name }) => {
    const logit = graph.scope(name, () => {
      const embeddings = embeddedFields(inputs, features, userDomain, embeddingDim, name);
      const x = joinFields({ dense, embeddings }, bottom);
      return layers(x, 'net', { sizes: [...net.hidden, 1], dropout: net.dropout });
    });
    return [name, logit] as const;
  });
  return { graph, inputs, outputs: withDerived('separate', tasks, Object.fromEntries(heads)) };
};

export const mlp = defineModel<MlpConfig>('mlp', build);
