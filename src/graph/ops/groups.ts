/**
 * Columns in groups with a number each: y = gates[g] · x over group g, what a gate of fields does to their embeddings, and
 * Σ a · b over each group. Each is the other's gradient. Gates, or one operand of the product, may be the same for every row.
 */
import type { OpDefinition } from '../definition.js';
import { describe, graphError, type Value } from '../graph.js';
import { joinDomains, numberOf, operands, sameWidth } from '../shapes.js';

function checkGroups(x: Value, groups: number, layer: string): void {
  if (Number.isSafeInteger(groups) && groups >= 1 && x.width % groups === 0) return;
  throw graphError(layer, `${x.name} is ${describe(x)}`, `its width must be a multiple of the ${groups} groups`);
}

export const groupDotOp: OpDefinition = {
  kind: 'groupDot',
  infer(inputs, attributes, layer) {
    const [a, b] = operands(inputs, 2, layer);
    sameWidth(a, b, layer);
    const groups = numberOf(attributes, 'groups', layer);
    checkGroups(a, groups, layer);
    return [{ domain: joinDomains(inputs, layer), shape: [groups] }];
  },
  gradient(context, operation, [dY]) {
    const [a, b] = operands(operation.inputs, 2, operation.layer);
    if (dY === undefined) return;
    if (context.needs(a)) context.add(a, context.emit(scaleGroupsOp, [dY, b]));
    if (context.needs(b)) context.add(b, context.emit(scaleGroupsOp, [dY, a]));
  },
};

export const scaleGroupsOp: OpDefinition = {
  kind: 'scaleGroups',
  infer(inputs, _attributes, layer) {
    const [gates, x] = operands(inputs, 2, layer);
    checkGroups(x, gates.width, layer);
    return [{ domain: joinDomains(inputs, layer), shape: x.shape }];
  },
  gradient(context, operation, [dY]) {
    const [gates, x] = operands(operation.inputs, 2, operation.layer);
    if (dY === undefined) return;
    if (context.needs(gates)) context.add(gates, context.emit(groupDotOp, [dY, x], { groups: gates.width }));
    if (context.needs(x)) context.add(x, context.emit(scaleGroupsOp, [gates, dY]));
  },
};

/** gates [G], x [G · D] → [G · D]. */
export function scaleGroups(gates: Value, x: Value, name = 'scale_groups'): Value {
  const [y] = x.graph.emit(scaleGroupsOp, [gates, x], { layer: x.graph.layer(name) });
  return y as Value;
}

/** a and b [G · D] → [G]. */
export function groupDot(a: Value, b: Value, groups: number, name = 'group_dot'): Value {
  const [y] = a.graph.emit(groupDotOp, [a, b], { layer: a.graph.layer(name), attributes: { groups } });
  return y as Value;
}
