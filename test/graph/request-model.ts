import {
  type BalancingRequest,
  compile,
  concat,
  embedding,
  expand,
  Graph,
  type Lowered,
  linear,
  log,
  type TaskLoss,
} from '../../src/graph/index.js';
import { TASKS } from '../models/fixtures.js';

export interface RequestModelOptions {
  /** false: a plan that predicts. */
  readonly training?: boolean;
  readonly balancing?: BalancingRequest;
}

/** A small model of dense inputs whose logarithm is taken, lookups and lists, by request and by row. */
export function requestModel({ training = true, balancing }: RequestModelOptions = {}): Lowered {
  const graph = new Graph();
  const lookup = (name: string, domain: 'request' | 'row', multi: boolean) =>
    embedding(graph, name, { table: { name, rows: 9, dim: 4 }, domain, ...(multi ? { multi, pooling: 'mean' } : {}) });
  const user = concat([
    log(graph.input('income', 'request', 2)),
    lookup('country', 'request', false),
    lookup('seen', 'request', true),
  ]);
  const ad = concat([log(graph.input('price', 'row', 3)), lookup('ad', 'row', false), lookup('words', 'row', true)]);
  const hidden = concat([
    expand(linear(user, 'user', { out: 6, activation: 'relu' })),
    linear(ad, 'ad', { out: 5, activation: 'relu' }),
  ]);
  const losses = TASKS.map((task): TaskLoss => ({ ...task, logits: linear(hidden, `heads.${task.name}`, { out: 1 }) }));
  if (training) return compile({ graph, outputs: {}, losses, balancing });
  return compile({ graph, outputs: Object.fromEntries(losses.map(({ name, logits }) => [name, logits])) });
}
