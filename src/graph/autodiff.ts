/** Reverse-mode differentiation: appends backward operations to a graph, by the gradient rule of each operation. */
import type { GradientContext, OpDefinition } from './definition.js';
import { type Attributes, type Graph, graphError, type Operation, type Value } from './graph.js';
import { addIntoOp } from './ops/add-into.js';
import { concatOp } from './ops/concat.js';
import { addOp } from './ops/elementwise.js';
import { rowSumOp } from './ops/row-sum.js';
import { sumRowsOp } from './ops/sum-rows.js';
import { zeroAttributes, zeroOp } from './ops/zero.js';

/** Where differentiation starts: dL/d(value) is `gradient`. */
export interface Seed {
  readonly value: Value;
  readonly gradient: Value;
}

interface Columns {
  readonly start: number;
  readonly gradient: Value;
}

/**
 * dL/d(target) for every target that a seed depends on. Operations are appended to `graph`; gradients of domain-none
 * values are accumulators (summed over rows), the others have the value's domain and shape.
 * May be called several times on one graph, e.g. once per task.
 */
export function gradients(graph: Graph, seeds: readonly Seed[], targets: readonly Value[]): ReadonlyMap<Value, Value> {
  const forward = graph.operations.filter((operation) => !operation.backward);
  const backward = new Backward(graph, dependents(forward, targets));
  for (const { value, gradient } of seeds) {
    if (value.domain !== gradient.domain || value.width !== gradient.width) {
      throw graphError(
        value.name,
        `its seed ${gradient.name} is ${gradient.domain} [${gradient.shape.join(', ')}]`,
        `seed it with ${value.domain} [${value.shape.join(', ')}]`,
      );
    }
    backward.add(value, gradient);
  }
  for (const operation of forward.toReversed()) {
    const rule = operation.definition.gradient;
    if (rule === undefined || !operation.outputs.some((output) => backward.needs(output))) continue;
    backward.enter(operation);
    const outputGradients = operation.outputs.map((output) => backward.resolve(output));
    if (outputGradients.some((gradient) => gradient !== undefined)) rule(backward, operation, outputGradients);
  }
  const found = new Map<Value, Value>();
  for (const target of targets) {
    backward.layer = target.name;
    const gradient = backward.resolve(target);
    if (gradient !== undefined) found.set(target, gradient);
  }
  return found;
}

/** The targets and every value computed from one of them by operations that pass a gradient. */
function dependents(forward: readonly Operation[], targets: readonly Value[]): ReadonlySet<Value> {
  const needed = new Set(targets);
  for (const operation of forward) {
    if (operation.definition.gradient === undefined) continue;
    if (operation.inputs.some((input) => needed.has(input))) {
      for (const output of operation.outputs) needed.add(output);
    }
  }
  return needed;
}

class Backward implements GradientContext {
  layer = '';
  private readonly whole = new Map<Value, Value[]>();
  private readonly columns = new Map<Value, Columns[]>();
  private readonly accumulators = new Map<Value, Value>();

  constructor(
    private readonly graph: Graph,
    private readonly needed: ReadonlySet<Value>,
  ) {}

  enter(operation: Operation): void {
    this.layer = operation.layer;
  }

  needs(value: Value): boolean {
    return this.needed.has(value);
  }

  emitAll(definition: OpDefinition, inputs: readonly Value[], attributes?: Attributes): Value[] {
    return this.graph.emit(definition, inputs, { layer: this.layer, backward: true, attributes });
  }

  emit(definition: OpDefinition, inputs: readonly Value[], attributes?: Attributes): Value {
    const [output] = this.emitAll(definition, inputs, attributes);
    if (output === undefined) {
      throw graphError(this.layer, `${definition.kind} has no output`, 'a gradient operation must have one');
    }
    return output;
  }

  emitInto(
    definition: OpDefinition,
    inputs: readonly Value[],
    outputs: readonly Value[],
    attributes?: Attributes,
  ): void {
    this.graph.emitInto(definition, inputs, outputs, { layer: this.layer, backward: true, attributes });
  }

  accumulator(value: Value): Value {
    const known = this.accumulators.get(value);
    if (known !== undefined) return known;
    const made = this.graph.accumulator(value);
    this.accumulators.set(value, made);
    return made;
  }

  add(value: Value, gradient: Value): void {
    if (!this.needs(value)) return;
    if (value.domain === 'none') {
      this.accumulate(value, gradient);
      return;
    }
    const reduced = value.width === 1 && gradient.width > 1 ? this.emit(rowSumOp, [gradient]) : gradient;
    push(this.whole, value, reduced);
  }

  addColumns(value: Value, start: number, gradient: Value): void {
    if (this.needs(value)) push(this.columns, value, { start, gradient });
  }

  /** The sum of everything that was added, or undefined. */
  resolve(value: Value): Value | undefined {
    const columns = this.columns.get(value) ?? [];
    this.columns.delete(value);
    for (const group of disjoint(columns)) {
      const assembled = this.assemble(value, group);
      if (value.domain === 'none') this.accumulate(value, assembled);
      else push(this.whole, value, assembled);
    }
    if (value.domain === 'none') return this.accumulators.get(value);
    const [first, ...rest] = this.whole.get(value) ?? [];
    if (first === undefined) return undefined;
    const sum = rest.reduce((total, gradient) => this.emit(addOp, [total, gradient]), first);
    this.whole.set(value, [sum]);
    return sum;
  }

  private accumulate(value: Value, gradient: Value): void {
    const target = this.accumulator(value);
    const toScalar = value.width === 1 && gradient.width > 1;
    if (gradient.domain !== 'none') {
      this.emitInto(sumRowsOp, [gradient], [target], { scalar: toScalar ? 1 : 0 });
    } else {
      this.emitInto(addIntoOp, [toScalar ? this.emit(rowSumOp, [gradient]) : gradient], [target]);
    }
  }

  /** One gradient of the whole value from gradients of disjoint column ranges, zero between them. */
  private assemble(value: Value, ranges: readonly Columns[]): Value {
    const parts: Value[] = [];
    let end = 0;
    const fillTo = (start: number): void => {
      if (start > end) parts.push(this.emit(zeroOp, [], zeroAttributes(value.domain, start - end)));
    };
    for (const { start, gradient } of ranges) {
      fillTo(start);
      parts.push(gradient);
      end = start + gradient.width;
    }
    fillTo(value.width);
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : this.emit(concatOp, parts);
  }
}

/** Splits column ranges into groups without overlap, each in column order. */
function disjoint(ranges: readonly Columns[]): Columns[][] {
  const groups: Columns[][] = [];
  for (const range of ranges.toSorted((a, b) => a.start - b.start)) {
    const fits = groups.find((group) => {
      const last = group[group.length - 1];
      return last === undefined || last.start + last.gradient.width <= range.start;
    });
    if (fits === undefined) groups.push([range]);
    else fits.push(range);
  }
  return groups;
}

function push<K, V>(map: Map<K, V[]>, key: K, item: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [item]);
  else list.push(item);
}
