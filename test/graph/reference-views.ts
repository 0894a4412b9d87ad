/** Views of the float64 interpreter's memory, and the small things its kernels are written with. */
import type { PlanOp } from '../../src/runtime/plan.js';

export interface View {
  readonly data: Float64Array;
  readonly start: number;
  readonly stride: number;
  readonly width: number;
}

export function present<T>(item: T | undefined, what = 'item'): T {
  if (item === undefined) throw new RangeError(`no such ${what}`);
  return item;
}

export function get(view: View, row: number, column: number): number {
  return present(view.data[view.start + row * view.stride + column], 'element');
}

/** An operand that may be one number per row. */
export function getBroadcast(view: View, row: number, column: number): number {
  return get(view, row, view.width === 1 ? 0 : column);
}

export function set(view: View, row: number, column: number, value: number): void {
  view.data[view.start + row * view.stride + column] = value;
}

export function fill(view: View, rows: number, value: (row: number, column: number) => number): void {
  for (let r = 0; r < rows; r += 1) for (let c = 0; c < view.width; c += 1) set(view, r, c, value(r, c));
}

export function number(op: PlanOp, key: string): number {
  const value = op.attributes[key];
  if (typeof value !== 'number') throw new TypeError(`${op.kind} has no number ${key}`);
  return value;
}

export function list(op: PlanOp, key: string): readonly number[] {
  const value = op.attributes[key];
  if (!Array.isArray(value)) throw new TypeError(`${op.kind} has no list ${key}`);
  return value;
}

export function range(length: number): number[] {
  return Array.from({ length }, (_, index) => index);
}

export function sum(length: number, term: (index: number) => number): number {
  let total = 0;
  for (let index = 0; index < length; index += 1) total += term(index);
  return total;
}
