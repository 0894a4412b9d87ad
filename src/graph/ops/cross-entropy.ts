/**
 * Softmax cross entropy over nested events, the labels of tasks of the plan: the class of a row is the first event of the list
 * that happened, and the last class none of them. A row that lacks one of the labels has loss 0.
 */
import type { OpDefinition } from '../definition.js';
import { describe, graphError, type Value } from '../graph.js';
import { operands } from '../shapes.js';
import { mulOp } from './elementwise.js';

export const crossEntropyOp: OpDefinition = {
  kind: 'crossEntropy',
  infer(inputs, attributes, layer) {
    const [logits] = operands(inputs, 1, layer);
    const { events } = attributes;
    if (!Array.isArray(events) || logits.domain !== 'row' || logits.width !== events.length + 1) {
      throw graphError(layer, `logits ${logits.name} is ${describe(logits)}`, 'give row [events + 1]');
    }
    return [
      { domain: 'row', shape: [1] },
      { domain: 'row', shape: logits.shape },
    ];
  },
  gradient(context, operation, [dLoss]) {
    const [logits] = operands(operation.inputs, 1, operation.layer);
    const slope = operation.outputs[1];
    if (dLoss === undefined || slope === undefined) return;
    context.add(logits, context.emit(mulOp, [slope, dLoss]));
  },
};

/** logits row [events + 1] → row [1]. `events`: indices of tasks of the plan, from the innermost event to the widest. */
export function crossEntropy(logits: Value, events: readonly number[], name = 'cross_entropy'): Value {
  const layer = logits.graph.layer(name);
  const [loss] = logits.graph.emit(crossEntropyOp, [logits], { layer, attributes: { events } });
  return loss as Value;
}
