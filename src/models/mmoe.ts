/**
 * Multi-gate mixture of experts (Ma et al. 2018, eq. 5–7): n experts e_i(x) for all tasks; task t has a gate
 * g_t = softmax(W_t x), the mixture f_t = Σ_i g_t,i e_i(x) and a tower on it. One gate for all tasks (`gates.shared`) is OMoE.
 *
 * Parameters: `bottom.<i>`, `projections.<feature>`, `experts.<i>.<layer>`, `gates.<task>` (OMoE: `gate`),
 * `towers.<task>.<i>`, `embeddings.<table>`.
 */
import type { MmoeConfig } from '../config/models.js';
import { Graph } from '../graph/index.js';
import { headsOf, withDerived } from './conversion.js';
import { type BuildModel, defineModel } from './define.js';
import { FeatureInputs } from './features.js';
import { sharedFields } from './fields.js';
import { experts, Mixtures } from './mixture.js';
import { towers } from './towers.js';

const build: BuildModel<MmoeConfig> = (config, features, tasks, userDomain) => {
  const { taskMode, gates } = config;
  const graph = new Graph();
  const inputs = new FeatureInputs(graph, features);
  const x = sharedFields(inputs, features, userDomain, config);
  const group = experts(x, 'experts', config.experts.count, config.experts);
  const mixtures = new Mixtures(gates);
  const shared = gates.shared ? mixtures.mix(x, 'gate', group) : undefined;
  const heads = towers(
    graph,
    headsOf(taskMode, tasks),
    config.towers,
    ({ name }) => shared ?? mixtures.mix(x, `gates.${name}`, group),
  );
  return { graph, inputs, outputs: withDerived(taskMode, tasks, heads), gates: mixtures.gates };
};

export const mmoe = defineModel<MmoeConfig>('mmoe', build);
