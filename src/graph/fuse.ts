/** Rewrites of the operation list that save passes over memory; none changes a result. */
import type { Operation, Value } from './graph.js';
import { activation, activationGrad } from './ops/activation.js';
import { sliceOp } from './ops/concat.js';
import { dotInteractionGrad } from './ops/dot-interaction.js';
import { dropoutOp } from './ops/dropout.js';
import { addOp } from './ops/elementwise.js';
import { embeddingOp } from './ops/embedding.js';
import { linearDx, linearOp } from './ops/linear.js';

/** Operations needed for `results`, in order. */
export function prune(operations: readonly Operation[], results: Iterable<Value>): Operation[] {
  const needed = new Set(results);
  const kept: Operation[] = [];
  for (const operation of operations.toReversed()) {
    if (!operation.outputs.some((output) => needed.has(output))) continue;
    kept.push(operation);
    for (const input of operation.inputs) needed.add(input);
  }
  return kept.reverse();
}

/** Removes dropout, which does nothing in prediction. Returns what stands for each value afterwards. */
export function removeDropout(operations: readonly Operation[]): {
  operations: Operation[];
  replacement: (value: Value) => Value;
} {
  const replaced = new Map<Value, Value>();
  const replacement = (value: Value): Value => replaced.get(value) ?? value;
  const kept: Operation[] = [];
  for (const operation of operations) {
    const inputs = operation.inputs.map(replacement);
    const [x] = inputs;
    const [y] = operation.outputs;
    if (operation.definition === dropoutOp && x !== undefined && y !== undefined) replaced.set(y, x);
    else kept.push({ ...operation, inputs });
  }
  return { operations: kept, replacement };
}

/** Forward fusions: linear + bias, linear + activation, all lookups of one domain. `fixed` values must stay. */
export function fuseForward(operations: readonly Operation[], fixed: ReadonlySet<Value>): Operation[] {
  return fuseLookups(fuseIntoLinear(fuseIntoLinear(operations, fixed, biasOf), fixed, activationOf));
}

/** What the only consumer of a linear operation adds to it; undefined when it cannot be taken in. */
type Absorb = (linear: Operation, consumer: Operation) => Pick<Operation, 'inputs' | 'attributes'> | undefined;

const biasOf: Absorb = (linear, consumer) => {
  if (consumer.definition !== addOp || linear.inputs.length !== 2 || linear.attributes.activation !== 'none') return;
  const [y] = linear.outputs;
  const bias = consumer.inputs.find((input) => input !== y);
  if (y === undefined || bias?.domain !== 'none' || y.domain === 'none' || bias.width !== y.width) return undefined;
  return { inputs: [...linear.inputs, bias], attributes: linear.attributes };
};

const activationOf: Absorb = (linear, consumer) => {
  const kind = consumer.attributes.activation;
  if (consumer.definition !== activation || linear.attributes.activation !== 'none' || kind === undefined) return;
  return { inputs: linear.inputs, attributes: { ...linear.attributes, activation: kind } };
};

function fuseIntoLinear(operations: readonly Operation[], fixed: ReadonlySet<Value>, absorb: Absorb): Operation[] {
  const consumers = consumersOf(operations);
  const fused = new Map<Operation, Operation>();
  for (const linear of operations) {
    const [y] = linear.outputs;
    if (linear.definition !== linearOp || y === undefined || fixed.has(y)) continue;
    const [consumer, ...others] = consumers.get(y) ?? [];
    if (consumer === undefined || others.length > 0) continue;
    const taken = absorb(linear, consumer);
    if (taken !== undefined) fused.set(consumer, { ...linear, ...taken, outputs: consumer.outputs });
  }
  return replace(operations, fused);
}

function fuseLookups(operations: readonly Operation[]): Operation[] {
  const fused: Operation[] = [];
  for (const domain of ['request', 'row']) {
    const lookups = operations.filter(
      (operation) => operation.definition === embeddingOp && operation.attributes.domain === domain,
    );
    const [first, ...others] = lookups;
    if (first === undefined) continue;
    const list = (key: string): number[] => lookups.flatMap((operation) => numbers(operation.attributes[key]));
    fused.push({
      ...first,
      layer: others.length === 0 ? first.layer : 'embeddings',
      outputs: lookups.flatMap((operation) => operation.outputs),
      attributes: { domain, idInputs: list('idInputs'), pooling: list('pooling'), dims: list('dims') },
    });
  }
  return [...fused, ...operations.filter((operation) => operation.definition !== embeddingOp)];
}

/** Backward fusions. `fixed` values must stay. */
export function fuseBackward(operations: readonly Operation[], fixed: ReadonlySet<Value>): Operation[] {
  return gateInputGradients(addInteractionsInPlace(operations, fixed), fixed);
}

/** `activation.grad(linear.dx(d, W), y)` of ReLU becomes a linear.dx(d, W, y) that is 0 where y is. */
function gateInputGradients(operations: readonly Operation[], fixed: ReadonlySet<Value>): Operation[] {
  const consumers = consumersOf(operations);
  const producers = producersOf(operations);
  const merged = new Map<Operation, Operation>();
  for (const gate of operations) {
    const [dY, y] = gate.inputs;
    if (gate.definition !== activationGrad || gate.attributes.activation !== 'relu') continue;
    if (dY === undefined || y === undefined || dY.domain === 'none' || fixed.has(dY)) continue;
    const producer = producers.get(dY);
    if (producer?.definition !== linearDx || consumers.get(dY)?.length !== 1) continue;
    merged.set(gate, { ...producer, inputs: [...producer.inputs, y], outputs: gate.outputs });
  }
  return replace(operations, merged);
}

/** Each key in the place of itself, and not where its value's operation stood. */
function replace(operations: readonly Operation[], merged: ReadonlyMap<Operation, Operation>): Operation[] {
  const gone = new Set([...merged.values()].map((operation) => operation.id));
  return operations
    .filter((operation) => !gone.has(operation.id) || merged.has(operation))
    .map((operation) => merged.get(operation) ?? operation);
}

function producersOf(operations: readonly Operation[]): Map<Value, Operation> {
  return new Map(operations.flatMap((operation) => operation.outputs.map((out) => [out, operation])));
}

/**
 * `add(s, dotInteraction.grad(…))`, where s is the pass-through gradient of the vectors, becomes a
 * dotInteraction.grad that adds to s in place.
 */
function addInteractionsInPlace(operations: readonly Operation[], fixed: ReadonlySet<Value>): Operation[] {
  const consumers = consumersOf(operations);
  const producers = producersOf(operations);
  const merged = new Map<Operation, Operation>();
  for (const sum of operations) {
    const [passed, dots] = sum.inputs;
    if (!sum.backward || sum.definition !== addOp || passed === undefined || dots === undefined) continue;
    const producer = producers.get(dots);
    if (producer?.definition !== dotInteractionGrad || fixed.has(dots) || consumers.get(dots)?.length !== 1) continue;
    if (passed.domain === 'none' || passed.width !== dots.width) continue;
    if (!mayOverwrite(passed, sum, consumers, producers, fixed)) continue;
    const attributes = { ...producer.attributes, accumulate: 1 };
    merged.set(sum, { ...producer, attributes, outputs: sum.outputs, into: passed });
  }
  return replace(operations, merged);
}

/** True when nothing but `user` reads the memory of `value`: a columns-only split of a gradient that is read in no other way. */
function mayOverwrite(
  value: Value,
  user: Operation,
  consumers: ReadonlyMap<Value, readonly Operation[]>,
  producers: ReadonlyMap<Value, Operation>,
  fixed: ReadonlySet<Value>,
): boolean {
  const readers = consumers.get(value) ?? [];
  const producer = producers.get(value);
  if (producer === undefined || !producer.backward || fixed.has(value)) return false;
  if (readers.length !== 1 || readers[0] !== user) return false;
  if (producer.definition !== sliceOp) return producer.definition.view !== true && producer.into === undefined;
  const [whole] = producer.inputs;
  if (whole === undefined || fixed.has(whole) || producers.get(whole)?.definition.view !== undefined) return false;
  const from = start(producer);
  return (consumers.get(whole) ?? []).every(
    (reader) =>
      reader === producer ||
      (reader.definition === sliceOp && (start(reader) + width(reader) <= from || start(reader) >= from + value.width)),
  );
}

function start(slice: Operation): number {
  return Number(slice.attributes.start);
}

function width(slice: Operation): number {
  return Number(slice.attributes.width);
}

function numbers(value: unknown): readonly number[] {
  return Array.isArray(value) ? value : [];
}

/** The operations that read each value; one that reads it twice is listed twice. */
export function consumersOf(operations: readonly Operation[]): ReadonlyMap<Value, readonly Operation[]> {
  const consumers = new Map<Value, Operation[]>();
  for (const operation of operations) {
    for (const input of operation.inputs) {
      const list = consumers.get(input);
      if (list === undefined) consumers.set(input, [operation]);
      else list.push(operation);
    }
  }
  return consumers;
}
