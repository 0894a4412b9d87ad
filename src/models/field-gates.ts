/** Numbers that scale the fields of a model, each its own: what cold computes for every row and fscd learns once. */
import { add, concat, groupDot, linear, mul, scaleGroups, sigmoid, slice, type Value } from '../graph/index.js';
import type { Fields } from './fields.js';

/** How many fields there are: a dense feature is one, an embedding is one. */
export function fieldCount({ dense, embeddings }: Fields): number {
  return (dense?.width ?? 0) + embeddings.length;
}

/** Field m times weights[m]; weights [fields] of the rows, or the same for all of them. */
export function scaleFields({ dense, embeddings }: Fields, weights: Value): Fields {
  const first = dense?.width ?? 0;
  const ofDense = dense === undefined ? undefined : mul(dense, slice(weights, 0, first, 'dense'), 'dense_scaled');
  if (embeddings.length === 0) return { dense: ofDense, embeddings };
  const ofEmbeddings = first === 0 ? weights : slice(weights, first, embeddings.length, 'embeddings');
  const scaled = scaleGroups(ofEmbeddings, concat(embeddings, 'embedded'), 'scaled');
  return { dense: ofDense, embeddings: [scaled] };
}

/** s = σ(W [fields] + b), row [fields]: `<name>.weight` [fields, width of all fields], `<name>.bias`. */
export function squeezeAll({ dense, embeddings }: Fields, name: string): Value {
  const all = concat(dense === undefined ? embeddings : [dense, ...embeddings], 'gate_input');
  const out = fieldCount({ dense, embeddings });
  return linear(all, name, { out, activation: 'sigmoid' });
}

/** s_m = σ(⟨w_m, field m⟩ + b_m), row [fields]: `<name>.weight` [width of all fields], `<name>.bias` [fields]. */
export function squeezeEach({ dense, embeddings }: Fields, graph: Value['graph'], name: string): Value {
  return graph.scope(name, () => {
    const first = dense?.width ?? 0;
    const widths = embeddings.map(({ width }) => width);
    const width = widths.reduce((sum, each) => sum + each, first);
    const weight = graph.parameter('weight', [width], { kind: 'normal', scale: Math.sqrt(2 / ((widths[0] ?? 1) + 1)) });
    const bias = graph.parameter('bias', [first + embeddings.length], { kind: 'zero' });
    const parts = dense === undefined ? [] : [mul(dense, slice(weight, 0, first))];
    if (embeddings.length > 0) {
      const all = concat(embeddings, 'embedded');
      parts.push(groupDot(all, slice(weight, first, width - first), embeddings.length));
    }
    return sigmoid(add(concat(parts, 'products'), bias));
  });
}
