/** Shape and domain rules that several operations share. */
import type { Domain } from '../runtime/plan.js';
import type { OutputSpec } from './definition.js';
import { type Attributes, describe, graphError, type Value } from './graph.js';

/** The domain of an operation on these values: none joins anything; request and row meet only through expand. */
export function joinDomains(values: readonly Value[], layer: string): Domain {
  let joined: Value | undefined;
  for (const value of values) {
    if (value.domain === 'none') continue;
    if (joined !== undefined && joined.domain !== value.domain) {
      throw graphError(
        layer,
        `${joined.name} is ${describe(joined)} but ${value.name} is ${describe(value)}`,
        'bring the request value to rows with expand',
      );
    }
    joined = value;
  }
  return joined?.domain ?? 'none';
}

/** The inputs by position; a wrong count is an error of the caller. */
export function operands<N extends number>(
  inputs: readonly Value[],
  count: N,
  layer: string,
): readonly Value[] & { readonly length: N } & Operands {
  if (inputs.length !== count) {
    throw graphError(layer, `${inputs.length} inputs where ${count} are needed`, 'pass exactly that many');
  }
  return inputs as readonly Value[] & { readonly length: N } & Operands;
}

/** Checked by `operands`: positions below the count are there. */
interface Operands {
  readonly 0: Value;
  readonly 1: Value;
  readonly 2: Value;
}

export function sameDomain(a: Value, b: Value, layer: string): void {
  if (a.domain !== b.domain) {
    throw graphError(
      layer,
      `${a.name} is ${describe(a)} but ${b.name} is ${describe(b)}`,
      'both must have the same domain here',
    );
  }
}

export function sameWidth(a: Value, b: Value, layer: string): void {
  if (a.width !== b.width) {
    throw graphError(
      layer,
      `${a.name} is ${describe(a)} but ${b.name} is ${describe(b)}`,
      'both must have the same width here',
    );
  }
}

/** The output is like the input. */
export function likeInput(inputs: readonly Value[], layer: string): readonly OutputSpec[] {
  const [x] = operands(inputs, 1, layer);
  return [{ domain: x.domain, shape: x.shape }];
}

/** Elementwise over two values: equal shapes, or one of them of width 1, or one of domain none. */
export function broadcast(inputs: readonly Value[], _attributes: Attributes, layer: string): readonly OutputSpec[] {
  const [a, b] = operands(inputs, 2, layer);
  const domain = joinDomains(inputs, layer);
  if (a.width !== b.width && a.width !== 1 && b.width !== 1) {
    throw graphError(
      layer,
      `${a.name} is ${describe(a)} but ${b.name} is ${describe(b)}`,
      'elementwise operands have equal widths, or one of them has width 1',
    );
  }
  return [{ domain, shape: a.width >= b.width ? a.shape : b.shape }];
}

export function numberOf(attributes: Attributes, key: string, layer: string): number {
  const value = attributes[key];
  if (typeof value !== 'number') throw graphError(layer, `attribute "${key}" is missing`, 'give it as a number');
  return value;
}

export function stringOf(attributes: Attributes, key: string, layer: string): string {
  const value = attributes[key];
  if (typeof value !== 'string') throw graphError(layer, `attribute "${key}" is missing`, 'give it as a string');
  return value;
}
