/**
 * Entire space multi-task model (Ma et al. 2018): an MLP for pCTR and one for pCVR on shared embeddings; pCVR learns only
 * through pCTCVR = pCTR · pCVR, on all impressions: L = BCE(pCTR, click) + BCE(pCTCVR, click ∧ conversion).
 *
 * Parameters: `bottom.<i>`, `projections.<feature>`, `towers.<task>.<i>`, `embeddings.<table>`.
 */
import type { EsmmConfig } from '../config/models.js';
import { Graph } from '../graph/index.js';
import { headsOf, withDerived } from './conversion.js';
import { type BuildModel, defineModel } from './define.js';
import { FeatureInputs } from './features.js';
import { sharedFields } from './fields.js';
import { towers } from './towers.js';

const MODE = 'ctr+cvr(product)';

const build: BuildModel<EsmmConfig> = (config, features, tasks, userDomain) => {
  const graph = new Graph();
  const inputs = new FeatureInputs(graph, features);
  const x = sharedFields(inputs, features, userDomain, config);
  const heads = towers(graph, headsOf(MODE, tasks), config.net, () => x);
  return { graph, inputs, outputs: withDerived(MODE, tasks, heads) };
};

export const esmm = defineModel<EsmmConfig>('esmm', build);
