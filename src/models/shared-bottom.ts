/**
 * Shared bottom (Caruana 1997): one MLP on the features for all tasks, a tower per task on its output.
 *
 * Parameters: `bottom.<i>`, `projections.<feature>`, `shared.<i>`, `towers.<task>.<i>`, `embeddings.<table>`.
 */
import type { SharedBottomConfig } from '../config/models.js';
import { Graph, mlp } from '../graph/index.js';
import { headsOf, withDerived } from './conversion.js';
import { type BuildModel, defineModel } from './define.js';
import { FeatureInputs } from './features.js';
import { sharedFields } from './fields.js';
import { towers } from './towers.js';

const build: BuildModel<SharedBottomConfig> = (config, features, tasks, userDomain) => {
  const { shared, taskMode } = config;
  const graph = new Graph();
  const inputs = new FeatureInputs(graph, features);
  const x = sharedFields(inputs, features, userDomain, config);
  const h = mlp(x, 'shared', { sizes: shared.hidden, last: 'relu', dropout: shared.dropout });
  const heads = towers(graph, headsOf(taskMode, tasks), config.towers, () => h);
  return { graph, inputs, outputs: withDerived(taskMode, tasks, heads) };
};

export const sharedBottom = defineModel<SharedBottomConfig>('shared-bottom', build);
