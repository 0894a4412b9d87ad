/**
 * Two-tower DLRM: a tower for the user, one for the ad, heads on what merges them (arXiv 2307.11096, §3.1). The user
 * tower needs to run once per request only, the ad tower once per ad. Context features are the user tower's.
 *
 * Parameters: `user_tower.bottom.<i>`, `user_tower.projections.<feature>`, `user_tower.top.<i>`, the same under
 * `ad_tower`, `heads.<task>.<i>` (merge dot: `heads.<task>.user`, `heads.<task>.ad`), `embeddings.<table>`.
 */
import type { TwoTowerConfig } from '../config/models.js';
import type { Feature } from '../data/features.js';
import { concat, Graph, linear, mlp, mul, rowDot, type Value } from '../graph/index.js';
import { type BuildModel, defineModel } from './define.js';
import { FeatureInputs, type InputDomain, isDense, isId } from './features.js';
import { featuresOfSide, toRows } from './fields.js';
import { checkBottom, interact } from './interaction.js';
import type { ModelTask } from './model.js';
import { tasksWithHeads } from './tasks.js';

const build: BuildModel<TwoTowerConfig> = (config, features, tasks, userDomain) => {
  checkBottom(config.bottom, config.interaction, config.embeddingDim);
  const graph = new Graph();
  const inputs = new FeatureInputs(graph, features);
  const user = tower(graph, inputs, 'user', featuresOfSide(features, 'user'), config, userDomain);
  const ad = tower(graph, inputs, 'ad', featuresOfSide(features, 'ad'), config, 'row');
  const heads = tasksWithHeads(tasks);
  const outputs =
    config.merge === 'dot' ? dotHeads(graph, user, ad, config, heads) : mlpHeads(graph, user, ad, config, heads);
  return { graph, inputs, outputs };
};

function tower(
  graph: Graph,
  inputs: FeatureInputs,
  side: 'user' | 'ad',
  features: readonly Feature[],
  config: TwoTowerConfig,
  domain: InputDomain,
): Value {
  const { embeddingDim, bottom, interaction } = config;
  const { hidden, out, dropout } = config.tower;
  return graph.scope(`${side}_tower`, () => {
    const dense = inputs.denseInput(`${side}.dense`, features.filter(isDense), domain);
    const embeddings = features.filter(isId).map((feature) => inputs.pooled(feature, domain, embeddingDim));
    const hasBottom = dense !== undefined && bottom !== undefined && bottom.length > 0;
    const denseInputs = hasBottom ? { bottom: mlp(dense, 'bottom', { sizes: bottom, last: 'relu' }) } : { raw: dense };
    const stacked = interact({ ...denseInputs, embeddings }, interaction, embeddingDim);
    return mlp(stacked, 'top', { sizes: [...hidden, out], dropout });
  });
}

function mlpHeads(
  graph: Graph,
  user: Value,
  ad: Value,
  config: TwoTowerConfig,
  tasks: readonly ModelTask[],
): Record<string, Value> {
  const { hidden, dropout } = config.heads;
  const merged = graph.scope('merge', () => merge(toRows(user), ad, config.merge));
  return graph.scope('heads', () =>
    Object.fromEntries(tasks.map(({ name }) => [name, mlp(merged, name, { sizes: [...hidden, 1], dropout })])),
  );
}

function merge(user: Value, ad: Value, kind: TwoTowerConfig['merge']): Value {
  if (kind === 'concat') return concat([user, ad]);
  const hadamard = mul(user, ad, 'hadamard');
  return kind === 'hadamard+dot' ? concat([hadamard, rowDot(user, ad, 'dot')]) : concat([user, ad, hadamard]);
}

function dotHeads(
  graph: Graph,
  user: Value,
  ad: Value,
  config: TwoTowerConfig,
  tasks: readonly ModelTask[],
): Record<string, Value> {
  const { out } = config.tower;
  const logits = (name: string): Value =>
    graph.scope(name, () => rowDot(toRows(linear(user, 'user', { out })), linear(ad, 'ad', { out }), 'dot'));
  return graph.scope('heads', () => Object.fromEntries(tasks.map(({ name }) => [name, logits(name)])));
}

export const twoTower = defineModel<TwoTowerConfig>('two-tower', build);
