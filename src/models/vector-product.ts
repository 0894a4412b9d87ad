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
import { mlp, rowDot, type Value } from '../graph/index.js';
import { type InputDomain, isDense, isId } from './features.js';
import { featuresOfSide, joinFields, toRows } from './fields.js';
import { defineSides, type SideContext, type Sides } from './sides.js';
import { tasksWithHeads } from './tasks.js';

const sides: Sides<VectorProductConfig> = {
  ad: (context) => [side(context, 'ad', 'row')],
  outputs(context, userDomain, ad) {
    const { tasks } = context;
    const [head, ...others] = tasksWithHeads(tasks);
    if (head === undefined || others.length > 0) {
      throw new PrerankError(
        'CONFIG_INVALID',
        `vector-product gives one score, for ${tasks.length} tasks; name one task, or use two-tower with merge: dot`,
        { path: 'tasks' },
      );
    }
    const user = toRows(side(context, 'user', userDomain));
    return Object.fromEntries(ad().map((vector) => [head.name, rowDot(user, vector, 'product')]));
  },
};

function side(
  { config, features, graph, inputs }: SideContext<VectorProductConfig>,
  name: 'user' | 'ad',
  domain: InputDomain,
): Value {
  const { embeddingDim, bottom } = config;
  const { hidden, dropout } = config.sides;
  const listed = featuresOfSide(features, name);
  return graph.scope(`${name}_tower`, () => {
    const dense = inputs.denseInput(`${name}.dense`, listed.filter(isDense), domain);
    const embeddings = listed.filter(isId).map((feature) => inputs.pooled(feature, domain, embeddingDim));
    return mlp(joinFields({ dense, embeddings }, bottom), 'top', { sizes: hidden, dropout });
  });
}

export const vectorProduct = defineSides<VectorProductConfig>('vector-product', sides);
