/**
 * ECM (CIKM 2022, §3.2): one network on all fields, and one softmax over what becomes of a candidate: clicked, exposed only, not
 * exposed. Tasks are etr, etctr and, of the exposed, ctr.
 *
 * Parameters: `bottom.<i>`, `projections.<feature>`, `trunk.<i>`, `heads.softmax.<class>`, `embeddings.<table>`.
 */
import type { EcmConfig } from '../config/models.js';
import { Graph, mlp } from '../graph/index.js';
import { type BuildModel, defineModel } from './define.js';
import { FeatureInputs } from './features.js';
import { sharedFields } from './fields.js';
import { heads } from './heads.js';

const build: BuildModel<EcmConfig> = (config, features, tasks, userDomain) => {
  const { hidden, dropout } = config.trunk;
  const graph = new Graph();
  const inputs = new FeatureInputs(graph, features);
  const x = sharedFields(inputs, features, userDomain, config);
  const h = mlp(x, 'trunk', { sizes: hidden, last: 'relu', dropout });
  return { graph, inputs, ...heads(h, tasks, 'softmax') };
};

export const ecm = defineModel<EcmConfig>('ecm', build);
