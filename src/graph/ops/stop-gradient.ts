/** The same value, through which no gradient passes. */
import type { OpDefinition } from '../definition.js';
import type { Value } from '../graph.js';
import { likeInput } from '../shapes.js';

export const stopGradientOp: OpDefinition = {
  kind: 'stopGradient',
  view: true,
  infer: (inputs, _attributes, layer) => likeInput(inputs, layer),
};

export function stopGradient(x: Value, name = 'stop_gradient'): Value {
  const [y] = x.graph.emit(stopGradientOp, [x], { layer: x.graph.layer(name) });
  return y as Value;
}
