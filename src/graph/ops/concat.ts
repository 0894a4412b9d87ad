/** Joins values side by side. Costs nothing where the operands can be written into the result directly. */
import type { OpDefinition } from '../definition.js';
import { graphError, type Value } from '../graph.js';
import { sameDomain } from '../shapes.js';

export const concatOp: OpDefinition = {
  kind: 'concat',
  view: true,
  infer(inputs, _attributes, layer) {
    const first = inputs[0];
    if (first === undefined) throw graphError(layer, 'nothing to concatenate', 'pass at least one value');
    for (const value of inputs) sameDomain(first, value, layer);
    return [{ domain: first.domain, shape: [inputs.reduce((sum, value) => sum + value.width, 0)] }];
  },
  gradient(context, operation, [dY]) {
    if (dY === undefined) return;
    let start = 0;
    for (const operand of operation.inputs) {
      if (context.needs(operand)) {
        context.add(operand, context.emit(sliceOp, [dY], { start, width: operand.width }));
      }
      start += operand.width;
    }
  },
};

/** Columns [start, start + width) of a value: a view. */
export const sliceOp: OpDefinition = {
  kind: 'slice',
  view: true,
  infer(inputs, attributes, layer) {
    const x = inputs[0];
    const { start, width } = attributes;
    if (x === undefined || typeof start !== 'number' || typeof width !== 'number') {
      throw graphError(layer, 'a slice needs a value, a start and a width', 'pass all three');
    }
    if (!(start >= 0 && width >= 1 && start + width <= x.width)) {
      throw graphError(
        layer,
        `columns [${start}, ${start + width}) of ${x.name}, which is ${x.domain} [${x.shape.join(', ')}]`,
        'slice within the width',
      );
    }
    return [{ domain: x.domain, shape: [width] }];
  },
  gradient(context, operation, [dY]) {
    const x = operation.inputs[0];
    const start = operation.attributes.start;
    if (dY !== undefined && x !== undefined && typeof start === 'number') context.addColumns(x, start, dY);
  },
};

export function concat(values: readonly Value[], name = 'concat'): Value {
  const first = values[0];
  if (first === undefined) throw graphError(name, 'nothing to concatenate', 'pass at least one value');
  if (values.length === 1) return first;
  const [y] = first.graph.emit(concatOp, values, { layer: first.graph.layer(name) });
  return y as Value;
}

export function slice(x: Value, start: number, width: number, name = 'slice'): Value {
  const [y] = x.graph.emit(sliceOp, [x], { layer: x.graph.layer(name), attributes: { start, width } });
  return y as Value;
}
