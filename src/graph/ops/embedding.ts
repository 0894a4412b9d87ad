/** Pooled rows of embedding tables: one bag of ids per row and lookup; an empty bag gives zeros. */
import type { Domain, Pooling } from '../../runtime/plan.js';
import type { OpDefinition } from '../definition.js';
import { type Graph, graphError, type Value } from '../graph.js';

/**
 * Lists `idInputs`, `pooling` (0 sum, 1 mean), `dims` and the string `domain`: one output per lookup.
 * The gradient of a table is dL/d(pooled), which the sparse update reads: outputs are leaves of the differentiation.
 */
export const embeddingOp: OpDefinition = {
  kind: 'embedding',
  compileOnly: ['dims', 'domain'],
  infer(_inputs, attributes, layer) {
    const { dims, domain } = attributes;
    if (!Array.isArray(dims) || typeof domain !== 'string') {
      throw graphError(layer, 'a lookup without tables', 'use embedding()');
    }
    return dims.map((dim: number) => ({ domain: domain as Domain, shape: [dim] }));
  },
};

export interface EmbeddingOptions {
  readonly table: { readonly name: string; readonly rows: number; readonly dim: number };
  readonly domain: Exclude<Domain, 'none'>;
  readonly pooling?: Pooling;
  /** A list of ids per row instead of exactly one. */
  readonly multi?: boolean;
  /** A weight per id of the list. */
  readonly weighted?: boolean;
}

/** The pooled embedding [dim] of the id input `name`. */
export function embedding(graph: Graph, name: string, options: EmbeddingOptions): Value {
  const { table, domain } = options;
  const multi = options.multi ?? false;
  const weighted = options.weighted ?? false;
  if (weighted && !multi) throw graphError(name, 'weights on a single id', 'weights belong to lists of ids');
  const index = graph.table(table.name, table.rows, table.dim);
  const idInput = graph.idInput({ name, domain, multi, weighted, table: index });
  const [pooled] = graph.emit(embeddingOp, [], {
    layer: graph.layer(name),
    attributes: {
      idInputs: [idInput],
      pooling: [options.pooling === 'mean' ? 1 : 0],
      dims: [table.dim],
      domain,
    },
  });
  return pooled as Value;
}
