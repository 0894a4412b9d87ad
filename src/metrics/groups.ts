/** Rows by group. */
import { at, type Numbers } from './value.js';

/** Rows of each group in row order; groups in ascending order of their code. */
export function groupRows(groups: Numbers, rows: Uint32Array): Map<number, Uint32Array> {
  const lists = new Map<number, number[]>();
  for (const row of rows) {
    const code = at(groups, row);
    const list = lists.get(code);
    if (list === undefined) {
      lists.set(code, [row]);
    } else {
      list.push(row);
    }
  }
  const sorted = [...lists].sort(([a], [b]) => a - b);
  return new Map(sorted.map(([code, list]) => [code, Uint32Array.from(list)]));
}
