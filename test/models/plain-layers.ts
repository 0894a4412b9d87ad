/** Layers written down with plain float64 arrays, one row at a time: what the models' formulas are checked with. */
import assert from 'node:assert/strict';
import { present, type ReferenceBatch } from '../graph/reference.js';
import { categorical, dense, featureMap, table } from './fixtures.js';

/** Two numbers and two ids, of the user and of the ad. */
export const SMALL_FEATURES = featureMap(
  [dense('age', 'user'), dense('price', 'ad'), categorical('country', 'user'), categorical('ad', 'ad')],
  [table('country', 5, 4), table('ad', 9, 4)],
);
export type Vector = readonly number[];
export type Weights = ReadonlyMap<string, Float64Array>;

export const sigmoid = (a: number): number => 1 / (1 + Math.exp(-a));
export const relu = (values: Vector): Vector => values.map((value) => Math.max(value, 0));
export const dot = (a: Vector, b: Vector): number => a.reduce((sum, value, i) => sum + value * present(b[i]), 0);
export const sumOf = (vectors: readonly Vector[]): Vector =>
  present(vectors[0]).map((_, i) => vectors.reduce((sum, vector) => sum + present(vector[i]), 0));
export const scaled = (vector: Vector, factor: number): Vector => vector.map((value) => value * factor);

export function softmax(logits: Vector): Vector {
  const each = logits.map(Math.exp);
  const total = each.reduce((a, b) => a + b, 0);
  return each.map((value) => value / total);
}

/** The layers of a model with given weights, one row at a time. */
export class Layers {
  constructor(private readonly weights: Weights) {}

  linear(name: string, x: Vector): Vector {
    const weight = present(this.weights.get(`${name}.weight`), name);
    const bias = this.weights.get(`${name}.bias`);
    return Array.from({ length: weight.length / x.length }, (_, out) => {
      return dot([...weight.subarray(out * x.length, (out + 1) * x.length)], x) + (bias?.[out] ?? 0);
    });
  }

  /** Every layer that there is; `last`: ReLU after the last one, too. */
  mlp(name: string, x: Vector, last: 'relu' | 'none'): Vector {
    const isLayer = (i: number): boolean => this.weights.has(`${name}.${i}.weight`);
    let h = x;
    for (let i = 0; isLayer(i); i += 1) {
      const y = this.linear(`${name}.${i}`, h);
      h = isLayer(i + 1) || last === 'relu' ? relu(y) : y;
    }
    return h;
  }

  logit(name: string, x: Vector): number {
    return present(this.mlp(name, x, 'none')[0]);
  }

  experts(name: string, count: number, x: Vector): Vector[] {
    return Array.from({ length: count }, (_, i) => this.mlp(`${name}.${i}`, x, 'relu'));
  }

  mixed(gate: string, x: Vector, experts: readonly Vector[]): Vector {
    const gates = softmax(this.linear(gate, x));
    assert.equal(gates.length, experts.length);
    return sumOf(experts.map((expert, i) => scaled(expert, present(gates[i]))));
  }
}

/** [dense; embeddings], the user's first. */
export function input(weights: Weights, batch: ReferenceBatch, row: number, owner = ''): Vector {
  const embedding = (name: string, id: number): Vector => [
    ...present(weights.get(`embeddings.${owner}${name}`), name).subarray(id * 4, id * 4 + 4),
  ];
  const first = owner === 'cvr.' ? 2 : 0;
  const [country, ad] = [batch.ids?.[first], batch.ids?.[first + 1]].map((ids) => present(ids?.ids[row]));
  const numbers = present(batch.dense[0]).subarray(row * 2, row * 2 + 2);
  return [...numbers, ...embedding('country', present(country)), ...embedding('ad', present(ad))];
}
