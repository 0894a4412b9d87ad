/** A value of domain none in every row. */
import type { Value } from '../graph.js';
import { add } from './elementwise.js';
import { zeroAttributes, zeroOp } from './zero.js';

/** none [width] → row [width]. */
export function everyRow(x: Value, name = 'every_row'): Value {
  return add(zeroRows(x.graph, x.width), x, name);
}

/** row [width] of zeros. */
export function zeroRows(graph: Value['graph'], width: number, name = 'zeros'): Value {
  const [zeros] = graph.emit(zeroOp, [], { layer: graph.layer(name), attributes: zeroAttributes('row', width) });
  return zeros as Value;
}
