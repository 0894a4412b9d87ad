/**
 * COLD (Wang et al. 2020): one network on the fields of user, ad and both, each scaled by a weight of its own,
 * s = σ(W [e_1; …; e_M] + b), or s_m from e_m alone. Fields whose weight is small on average are dropped, and the network is
 * trained again on the others. With several tasks each has a linear head, or those of a chain are one softmax.
 *
 * Parameters: `gate.weight`, `gate.bias`, `bottom.<i>`, `projections.<feature>`, `trunk.<i>`, `heads.<task>`,
 * `embeddings.<table>`.
 */
import type { ColdConfig } from '../config/models.js';
import { Graph, mlp, type Value } from '../graph/index.js';
import { type BuildModel, defineModel } from './define.js';
import { FeatureInputs } from './features.js';
import { scaleFields, squeezeAll, squeezeEach } from './field-gates.js';
import { allFields, type Fields, fieldsInOrder, joinFields } from './fields.js';
import { heads } from './heads.js';

const build: BuildModel<ColdConfig> = (config, features, tasks, userDomain) => {
  const { embeddingDim, bottom, trunk, gate } = config;
  const graph = new Graph();
  const inputs = new FeatureInputs(graph, features);
  const fields = allFields(inputs, features, userDomain, embeddingDim);
  const weights = fieldWeights(graph, fields, gate);
  const x = joinFields(weights === undefined ? fields : scaleFields(fields, weights), bottom);
  const h = mlp(x, 'trunk', { sizes: trunk.hidden, last: 'relu', dropout: trunk.dropout });
  const gates =
    weights === undefined
      ? []
      : [{ name: 'fields', experts: fieldsInOrder(features).map(({ name }) => name), weights }];
  return { graph, inputs, ...heads(h, tasks, config.head), gates };
};

/** row [fields]; undefined without a gate. */
function fieldWeights(graph: Graph, fields: Fields, gate: ColdConfig['gate']): Value | undefined {
  if (gate === 'none') return undefined;
  return gate === 'concat' ? squeezeAll(fields, 'gate') : squeezeEach(fields, graph, 'gate');
}

export const cold = defineModel<ColdConfig>('cold', build);
