/** What the compiler knows of one kind of operation. */
import type { Domain } from '../runtime/plan.js';
import type { Attributes, Operation, Value } from './graph.js';

export interface OutputSpec {
  readonly domain: Domain;
  readonly shape: readonly number[];
}

/** How a gradient rule hands on what it computed. */
export interface GradientContext {
  /** False when nothing trained depends on the value: its gradient may be left out. */
  needs(value: Value): boolean;
  /** A backward operation with one output. */
  emit(definition: OpDefinition, inputs: readonly Value[], attributes?: Attributes): Value;
  /** A backward operation with several outputs. */
  emitAll(definition: OpDefinition, inputs: readonly Value[], attributes?: Attributes): Value[];
  /** Adds `gradient` to dL/d(value), summing what was broadcast: rows over a domain-none value, columns over a width of 1. */
  add(value: Value, gradient: Value): void;
  /** Adds `gradient` to columns [start, start + width) of dL/d(value). */
  addColumns(value: Value, start: number, gradient: Value): void;
  /** The accumulator of dL/d(value) for a domain-none value, for operations that add to it themselves. */
  accumulator(value: Value): Value;
  /** A backward operation that adds to accumulators. */
  emitInto(
    definition: OpDefinition,
    inputs: readonly Value[],
    outputs: readonly Value[],
    attributes?: Attributes,
  ): void;
}

/** `gradients[i]` is dL/d(output i), undefined when no loss depends on that output. */
export type GradientRule = (
  context: GradientContext,
  operation: Operation,
  gradients: readonly (Value | undefined)[],
) => void;

export interface OpDefinition {
  readonly kind: string;
  /** Domains and shapes of the outputs; throws GRAPH_INVALID with the layer and the shapes. */
  infer(inputs: readonly Value[], attributes: Attributes, layer: string): readonly OutputSpec[];
  /** Absent: no gradient passes. */
  readonly gradient?: GradientRule;
  /** The first output may take the memory of the first input. */
  readonly inPlace?: true;
  /** Attributes that only shape inference reads: left out of the plan. */
  readonly compileOnly?: readonly string[];
  /** Mixes the rows of a batch: it runs once, on all of them, between the tiles. */
  readonly wholeBatch?: true;
  /** Runs no code: its output is a view of its inputs, or its inputs are views of its output. */
  readonly view?: true;
}
