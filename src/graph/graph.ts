/**
 * The graph a model function builds: operations over values, in creation order, which is an execution order.
 * Building computes nothing.
 */

import { PrerankError } from '../base/errors.js';
import { elementCount } from '../base/shape.js';
import type { AttributeValue, Domain, Init, PlanIdInput, PlanTable } from '../runtime/plan.js';
import type { OpDefinition } from './definition.js';

export type Attributes = Readonly<Record<string, AttributeValue>>;

/**
 * Where a value comes from. `accumulator`: the gradient of the domain-none value `of`, summed over rows; several
 * operations may add to it.
 */
export type Source =
  | { readonly kind: 'operation' }
  | { readonly kind: 'input' }
  | { readonly kind: 'parameter'; readonly init: Init }
  | { readonly kind: 'accumulator'; readonly of: Value };

/** A value of the graph: `shape` leaves out the leading row or request dimension. */
export interface Value {
  readonly id: number;
  readonly graph: Graph;
  readonly name: string;
  readonly domain: Domain;
  readonly shape: readonly number[];
  /** Product of `shape`. */
  readonly width: number;
  readonly source: Source;
}

export interface Operation {
  readonly id: number;
  readonly definition: OpDefinition;
  readonly layer: string;
  readonly backward: boolean;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly attributes: Attributes;
  /** The first output takes the memory of this value, adding to what is there. */
  readonly into?: Value;
}

export interface EmitOptions {
  readonly layer: string;
  readonly backward?: boolean;
  readonly attributes?: Attributes;
}

/** `row [16]`, for messages. */
export function describe(value: Value): string {
  return `${value.domain} [${value.shape.join(', ')}]`;
}

export function graphError(layer: string, problem: string, remedy: string): PrerankError {
  return new PrerankError('GRAPH_INVALID', `layer "${layer}": ${problem}; ${remedy}`, { path: layer });
}

export class Graph {
  readonly operations: Operation[] = [];
  readonly values: Value[] = [];
  readonly idInputs: PlanIdInput[] = [];
  readonly tables: PlanTable[] = [];
  private nextOperation = 0;
  private readonly scopes: string[] = [];
  private readonly parameters = new Set<string>();

  /** A graph that shares this one's values and operations; what is added to it stays out of this one. */
  fork(): Graph {
    const fork = new Graph();
    fork.operations.push(...this.operations);
    fork.values.push(...this.values);
    fork.idInputs.push(...this.idInputs);
    fork.tables.push(...this.tables);
    fork.nextOperation = this.nextOperation;
    for (const name of this.parameters) fork.parameters.add(name);
    return fork;
  }

  /** Everything built inside `build` is named `<name>.…`. */
  scope<T>(name: string, build: () => T): T {
    this.scopes.push(name);
    try {
      return build();
    } finally {
      this.scopes.pop();
    }
  }

  /** The dotted name of a layer in the current scopes. */
  layer(name: string): string {
    return [...this.scopes, name].join('.');
  }

  input(name: string, domain: Domain, width: number): Value {
    if (domain === 'none') throw graphError(name, 'an input has no row or request dimension', 'use a parameter');
    checkSizes(name, [width]);
    return this.value(name, domain, [width], { kind: 'input' });
  }

  /** `name` is relative to the current scopes. */
  parameter(name: string, shape: readonly number[], init: Init): Value {
    const full = this.layer(name);
    checkSizes(full, shape);
    if (this.parameters.has(full)) {
      throw graphError(full, 'a parameter of this name exists', 'name it differently or pass the first one on');
    }
    this.parameters.add(full);
    return this.value(full, 'none', shape, { kind: 'parameter', init });
  }

  /** Index of the table `embeddings.<name>`, shared by every lookup that names it. */
  table(name: string, rows: number, dim: number): number {
    const full = `embeddings.${name}`;
    checkSizes(full, [rows, dim]);
    const index = this.tables.findIndex((table) => table.name === full);
    if (index < 0) return this.tables.push({ name: full, rows, dim }) - 1;
    const known = this.tables[index];
    if (known?.rows !== rows || known.dim !== dim) {
      throw graphError(
        full,
        `the table is [${known?.rows}, ${known?.dim}] in one lookup and [${rows}, ${dim}] in another`,
        'features that share a table must agree on its size',
      );
    }
    return index;
  }

  idInput(input: PlanIdInput): number {
    return this.idInputs.push(input) - 1;
  }

  accumulator(of: Value): Value {
    return this.value(`gradient.${of.name}`, 'none', of.shape, { kind: 'accumulator', of });
  }

  /** Appends an operation and returns its new outputs. */
  emit(definition: OpDefinition, inputs: readonly Value[], options: EmitOptions): Value[] {
    const attributes = options.attributes ?? {};
    const specs = definition.infer(inputs, attributes, options.layer);
    const outputs = specs.map((spec, index) =>
      this.value(specs.length === 1 ? options.layer : `${options.layer}.${index}`, spec.domain, spec.shape, {
        kind: 'operation',
      }),
    );
    this.push(definition, inputs, outputs, options);
    return outputs;
  }

  /** Like emit for operations with one output, for compiler passes that keep lists of operations. */
  append(
    definition: OpDefinition,
    inputs: readonly Value[],
    options: EmitOptions,
  ): { operation: Operation; output: Value } {
    const [output] = this.emit(definition, inputs, options);
    const operation = this.operations.at(-1);
    if (output === undefined || operation === undefined) {
      throw graphError(options.layer, `${definition.kind} has no output`, 'emit it instead');
    }
    return { operation, output };
  }

  /** Appends an operation that adds to existing accumulators. */
  emitInto(definition: OpDefinition, inputs: readonly Value[], outputs: readonly Value[], options: EmitOptions): void {
    const specs = definition.infer(inputs, options.attributes ?? {}, options.layer);
    for (const [index, output] of outputs.entries()) {
      const shape = specs[index]?.shape;
      if (shape === undefined || elementCount(shape) !== output.width) {
        throw graphError(
          options.layer,
          `${definition.kind} gives [${shape?.join(', ')}] for ${output.name} of [${output.shape.join(', ')}]`,
          'the gradient rule and the shape of the value disagree',
        );
      }
    }
    this.push(definition, inputs, outputs, options);
  }

  value(name: string, domain: Domain, shape: readonly number[], source: Source): Value {
    const width = elementCount(shape);
    const value: Value = { id: this.values.length, graph: this, name, domain, shape, width, source };
    this.values.push(value);
    return value;
  }

  private push(
    definition: OpDefinition,
    inputs: readonly Value[],
    outputs: readonly Value[],
    options: EmitOptions,
  ): Operation {
    const operation: Operation = {
      id: this.nextOperation,
      definition,
      layer: options.layer,
      backward: options.backward ?? false,
      inputs,
      outputs,
      attributes: options.attributes ?? {},
    };
    this.operations.push(operation);
    this.nextOperation += 1;
    return operation;
  }
}

function checkSizes(name: string, sizes: readonly number[]): void {
  for (const size of sizes) {
    if (!Number.isSafeInteger(size) || size < 1) {
      throw graphError(name, `[${sizes.join(', ')}] is no shape`, 'every size must be a whole number of at least 1');
    }
  }
}
