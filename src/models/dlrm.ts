/**
 * DLRM (Naumov et al. 2019) with one logit per task: bottom MLP on the dense features, embeddings, dot interaction,
 * top MLP. Sides do not matter, except that user features come first so that they can run once per request.
 *
 * Parameters: `bottom.<i>`, `projections.<feature>`, `top.<i>`, `heads.<task>`, `embeddings.<table>`.
 */
import type { DlrmConfig } from '../config/models.js';
import { Graph, mlp } from '../graph/index.js';
import { type BuildModel, defineModel } from './define.js';
import { FeatureInputs } from './features.js';
import { denseFields, embeddedFields } from './fields.js';
import { linearHeads } from './heads.js';
import { checkBottom, interact } from './interaction.js';
import { tasksWithHeads } from './tasks.js';

const build: BuildModel<DlrmConfig> = (config, features, tasks, userDomain) => {
  const { embeddingDim, bottom, interaction, top } = config;
  checkBottom(bottom, interaction, embeddingDim);
  const graph = new Graph();
  const inputs = new FeatureInputs(graph, features);
  const dense = denseFields(inputs, features, userDomain);
  const embeddings = embeddedFields(inputs, features, userDomain, embeddingDim);
  const hasBottom = dense !== undefined && bottom !== undefined && bottom.length > 0;
  const denseInputs = hasBottom ? { bottom: mlp(dense, 'bottom', { sizes: bottom, last: 'relu' }) } : { raw: dense };
  const stacked = interact({ ...denseInputs, embeddings }, interaction, embeddingDim);
  const h = mlp(stacked, 'top', { sizes: top.hidden, last: 'relu', dropout: top.dropout });
  return { graph, inputs, outputs: linearHeads(h, tasksWithHeads(tasks)) };
};

export const dlrm = defineModel<DlrmConfig>('dlrm', build);
