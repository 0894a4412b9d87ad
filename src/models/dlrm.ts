/**
 * DLRM (Naumov et al. 2019) with one logit per task: bottom MLP on the dense features, embeddings, dot interaction,
 * top MLP. Sides do not matter, except that user features come first so that they can run once per request.
 *
 * Parameters: `bottom.<i>`, `projections.<feature>`, `top.<i>`, `heads.<task>`, `embeddings.<table>`.
 */
import { PrerankError } from '../base/errors.js';
import type { DlrmConfig } from '../config/types.js';
import type { Feature, FeatureMap } from '../data/features.js';
import { compile, concat, expand, Graph, linear, mlp, type Value } from '../graph/index.js';
import { FeatureInputs, type InputDomain, isDense, isId } from './features.js';
import { checkBottom, interact } from './interaction.js';
import type { Architecture, ModelTask } from './model.js';
import { taskLosses, tasksWithHeads } from './tasks.js';

interface Built {
  readonly graph: Graph;
  readonly inputs: FeatureInputs;
  readonly logits: Readonly<Record<string, Value>>;
}

interface Part {
  readonly features: readonly Feature[];
  readonly domain: InputDomain;
}

function build(config: DlrmConfig, features: FeatureMap, tasks: readonly ModelTask[], userDomain: InputDomain): Built {
  checkBottom(config.bottom, config.interaction, config.embeddingDim);
  if (features.features.length === 0) {
    throw new PrerankError('CONFIG_INVALID', 'the model has no feature; list some under data.features', {
      path: 'data.features',
    });
  }
  const graph = new Graph();
  const inputs = new FeatureInputs(graph, features);
  const parts: Part[] = [
    { features: features.features.filter(({ side }) => side === 'user'), domain: userDomain },
    { features: features.features.filter(({ side }) => side !== 'user'), domain: 'row' },
  ];
  const { embeddingDim, bottom, interaction, top } = config;
  const dense = denseFeatures(inputs, parts);
  const embeddings = parts.flatMap(({ features: listed, domain }) =>
    listed.filter(isId).map((feature) => toRows(inputs.pooled(feature, domain, embeddingDim))),
  );
  const hasBottom = dense !== undefined && bottom !== undefined && bottom.length > 0;
  const denseInputs = hasBottom ? { bottom: mlp(dense, 'bottom', { sizes: bottom, last: 'relu' }) } : { raw: dense };
  const stacked = interact({ ...denseInputs, embeddings }, interaction, embeddingDim);
  const h = mlp(stacked, 'top', { sizes: top.hidden, last: 'relu', dropout: top.dropout });
  const heads = tasksWithHeads(tasks);
  const logits = graph.scope('heads', () =>
    Object.fromEntries(heads.map(({ name }) => [name, linear(h, name, { out: 1 })])),
  );
  return { graph, inputs, logits };
}

/** All dense features of the rows, the user's first; one input when both parts are row inputs. */
function denseFeatures(inputs: FeatureInputs, parts: readonly Part[]): Value | undefined {
  if (parts.every(({ domain }) => domain === 'row')) {
    return inputs.denseInput(
      'dense',
      parts.flatMap(({ features }) => features.filter(isDense)),
      'row',
    );
  }
  const values = parts.flatMap(({ features, domain }) => {
    const value = inputs.denseInput(`${domain}.dense`, features.filter(isDense), domain);
    return value === undefined ? [] : [toRows(value)];
  });
  return values.length === 0 ? undefined : concat(values, 'dense');
}

/** A request value at the rows of its request. */
function toRows(value: Value): Value {
  return value.domain === 'request' ? expand(value) : value;
}

export const dlrm: Architecture<DlrmConfig> = {
  kind: 'dlrm',
  training(config, features, tasks, { balancing } = {}) {
    const { graph, inputs, logits } = build(config, features, tasks, 'row');
    return inputs.program(compile({ graph, outputs: logits, losses: taskLosses(tasks, logits), balancing }));
  },
  prediction(config, features, tasks, options = {}) {
    const { graph, inputs, logits } = build(config, features, tasks, options.requestDomain ? 'request' : 'row');
    return inputs.program(compile({ graph, outputs: logits }));
  },
};
