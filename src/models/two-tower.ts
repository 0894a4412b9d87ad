/**
 * Two-tower DLRM: a tower for the user, one for the ad, heads on what merges them (arXiv 2307.11096, §3.1). The user
 * tower needs to run once per request only, the ad tower once per ad. Context features are the user tower's.
 *
 * Parameters: `user_tower.bottom.<i>`, `user_tower.projections.<feature>`, `user_tower.top.<i>`, the same under
 * `ad_tower`, `heads.<task>.<i>` (merge dot: `heads.<task>.user`, `heads.<task>.ad`), `embeddings.<table>`.
 */
import type { TwoTowerConfig } from '../config/models.js';
import { concat, linear, mlp, mul, rowDot, type Value } from '../graph/index.js';
import { type InputDomain, isDense, isId } from './features.js';
import { featuresOfSide, toRows } from './fields.js';
import { checkBottom, interact } from './interaction.js';
import type { ModelTask } from './model.js';
import { defineSides, type SideContext, type Sides } from './sides.js';
import { tasksWithHeads } from './tasks.js';

const sides: Sides<TwoTowerConfig> = {
  ad(context) {
    const { config, graph, tasks } = context;
    const h = tower(context, 'ad', 'row');
    if (config.merge !== 'dot') return [h];
    const { out } = config.tower;
    return graph.scope('heads', () =>
      tasksWithHeads(tasks).map(({ name }) => graph.scope(name, () => linear(h, 'ad', { out }))),
    );
  },
  outputs(context, userDomain, ad) {
    const { config, tasks } = context;
    const user = tower(context, 'user', userDomain);
    const heads = tasksWithHeads(tasks);
    return config.merge === 'dot' ? dotHeads(user, ad(), config, heads) : mlpHeads(user, ad(), config, heads);
  },
};

function tower(context: SideContext<TwoTowerConfig>, side: 'user' | 'ad', domain: InputDomain): Value {
  const { config, graph, inputs } = context;
  const { embeddingDim, bottom, interaction } = config;
  const { hidden, out, dropout } = config.tower;
  checkBottom(bottom, interaction, embeddingDim);
  const features = featuresOfSide(context.features, side);
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
  user: Value,
  [ad]: readonly Value[],
  config: TwoTowerConfig,
  tasks: readonly ModelTask[],
): Record<string, Value> {
  if (ad === undefined) return {};
  const { hidden, dropout } = config.heads;
  const { graph } = user;
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

/** `ads`: the ad's linear layer of each task. */
function dotHeads(
  user: Value,
  ads: readonly Value[],
  { tower: { out } }: TwoTowerConfig,
  tasks: readonly ModelTask[],
): Record<string, Value> {
  const { graph } = user;
  const logit = (name: string, ad: Value): Value =>
    graph.scope(name, () => rowDot(toRows(linear(user, 'user', { out })), ad, 'dot'));
  return graph.scope('heads', () =>
    Object.fromEntries(
      tasks.flatMap(({ name }, i) => {
        const ad = ads[i];
        return ad === undefined ? [] : [[name, logit(name, ad)] as const];
      }),
    ),
  );
}

export const twoTower = defineSides<TwoTowerConfig>('two-tower', sides);
