/**
 * FSCD (Ma et al. 2021): one network on fields that drop out, each with a keep probability δ_j of its own that is learned. A field
 * costs c_j = γ₁ o_j + γ₂ e_j + γ₃ n_j (operations, width, keys), and prior keep probability θ_j = 1 − σ(c_j); the regulariser Σ α_j z_j / N has
 * α_j = log(1 − θ_j) − log θ_j, which is c_j: the expected cost of the fields. z_j = σ((logit δ_j + logit u_j) / t), one draw of u_j a step;
 * in prediction z_j = δ_j. Phase `tune` trains the fields kept, without gates.
 *
 * Parameters: `keep.logits` [fields], `bottom.<i>`, `projections.<feature>`, `trunk.<i>`, `heads.<task>`, `embeddings.<table>`.
 */
import type { FscdConfig } from '../config/models.js';
import type { FeatureMap } from '../data/features.js';
import { constant, everyRow, Graph, hardConcrete, mlp, mul, rowSum, type Value } from '../graph/index.js';
import { type BuildModel, defineModel, type LossTerm } from './define.js';
import { FeatureInputs, isId } from './features.js';
import { scaleFields } from './field-gates.js';
import { allFields, fieldsInOrder, joinFields } from './fields.js';
import { heads } from './heads.js';
import type { ModelTask } from './model.js';

const build: BuildModel<FscdConfig> = (config, features, tasks, userDomain) => {
  const { embeddingDim, bottom, trunk, phase, temperature } = config;
  const graph = new Graph();
  const inputs = new FeatureInputs(graph, features);
  const fields = allFields(inputs, features, userDomain, embeddingDim);
  const listed = fieldsInOrder(features);
  const keep = (): Value => {
    const logits = graph.parameter('keep.logits', [listed.length], { kind: 'normal', scale: 1 });
    return hardConcrete(logits, { temperature, low: 0, high: 1 }, 'keep');
  };
  const weights = phase === 'search' ? keep() : undefined;
  const x = joinFields(weights === undefined ? fields : scaleFields(fields, weights), bottom);
  const h = mlp(x, 'trunk', { sizes: trunk.hidden, last: 'relu', dropout: trunk.dropout });
  const { outputs, terms } = heads(h, tasks, config.head);
  if (weights === undefined) return { graph, inputs, outputs, terms };
  const gates = [{ name: 'fields', experts: listed.map(({ name }) => name), weights }];
  return { graph, inputs, outputs, terms: [...terms, ...complexity(config, features, tasks, weights)], gates };
};

/** c_j of every field, in the order of `fieldsInOrder`. */
export function fieldCosts({ complexity, embeddingDim }: FscdConfig, features: FeatureMap): number[] {
  const { operations, fields, gamma } = complexity;
  const own = new Map(fields.map(({ field, operations: count }) => [field, count]));
  return fieldsInOrder(features).map((feature) => {
    const keys = isId(feature) ? (features.tables.find(({ name }) => name === feature.table)?.rows ?? 0) : 0;
    const count = own.get(feature.name) ?? operations[feature.side];
    return gamma.operations * count + gamma.width * (isId(feature) ? embeddingDim : 1) + gamma.keys * keys;
  });
}

/** The expected cost of the fields, on the rows of the first task. */
function complexity(config: FscdConfig, features: FeatureMap, tasks: readonly ModelTask[], keep: Value): LossTerm[] {
  const { weight } = config.complexity;
  const rows = tasks[0]?.name;
  if (weight === 0 || rows === undefined) return [];
  const costs = constant(keep.graph, fieldCosts(config, features), 'costs');
  return [{ name: 'complexity', weight, value: everyRow(rowSum(mul(keep, costs)), 'complexity'), rows }];
}

export const fscd = defineModel<FscdConfig>('fscd', build);
