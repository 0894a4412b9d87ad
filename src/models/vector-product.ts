/**
 * Vector product (the DSSM-like pre-ranker that COLD and ECM are compared with): an MLP on the user's fields, one on the
 * ad's, and the logit ⟨h_user, h_ad⟩. The last layers are linear: products of ReLU outputs could only be positive. Context features
 * are the user's; features that cross user and ad have no place.
 *
 * Parameters: `user_tower.bottom.<i>`, `user_tower.projections.<feature>`, `user_tower.top.<i>`, the same under `ad_tower`,
 * `embeddings.<table>`.
 */
import { PrerankError } from '../base/errors.js';
import type { VectorProductConfig } from '../config/models.js';
import { Graph, mlp, rowDot, type Value } from '../graph/index.js';
import { type BuildModel, defineModel } from './define.js';
import { FeatureInputs, type InputDomain, isDense, isId } from './features.js';
import { featuresOfSide, joinFields, toRows } from './fields.js';
import { tasksWithHeads } from './tasks.js';

const build: BuildModel<VectorProductConfig> = (config, features, tasks, userDomain) => {
  const { embeddingDim, bottom, sides } = config;
  const graph = new Graph();
  const inputs = new FeatureInputs(graph, features);
  const tower = (side: 'user' | 'ad', domain: InputDomain): Value => {
    const listed = featuresOfSide(features, side);
    return graph.scope(`${side}_tower`, () => {
      const dense = inputs.denseInput(`${side}.dense`, listed.filter(isDense), domain);
      const embeddings = listed.filter(isId).map((feature) => inputs.pooled(feature, domain, embeddingDim));
      const x = joinFields({ dense, embeddings }, bottom);
      return mlp(x, 'top', { sizes: sides.hidden, dropout: sides.dropout });
    });
  };
  const [head, ...others] = tasksWithHeads(tasks);
  if (head === undefined || others.length > 0) {
    throw new PrerankError(
      'CONFIG_INVALID',
      `vector-product gives one score, for ${tasks.length} tasks; name one task, or use two-tower with merge: dot`,
      { path: 'tasks' },
    );
  }
  const logit = rowDot(toRows(tower('user', userDomain)), tower('ad', 'row'), 'product');
  return { graph, inputs, outputs: { [head.name]: logit } };
};

export const vectorProduct = defineModel<VectorProductConfig>('vector-product', build);
