/** Numbers of the model that nobody trains, the same for every row: costs of fields, gates that are always open. */
import type { OpDefinition } from '../definition.js';
import { type Graph, graphError, type Value } from '../graph.js';

export const constantOp: OpDefinition = {
  kind: 'constant',
  infer(_inputs, { values }, layer) {
    if (!Array.isArray(values) || values.length === 0 || !values.every(Number.isFinite)) {
      throw graphError(layer, 'a constant without numbers', 'give at least one finite number');
    }
    return [{ domain: 'none', shape: [values.length] }];
  },
};

/** none [values]. */
export function constant(graph: Graph, values: readonly number[], name = 'constant'): Value {
  const [y] = graph.emit(constantOp, [], { layer: graph.layer(name), attributes: { values } });
  return y as Value;
}
