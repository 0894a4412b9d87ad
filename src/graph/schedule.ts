/** Which segment of the step an operation runs in. */
import type { Domain, Phase } from '../runtime/plan.js';
import type { Operation, Value } from './graph.js';
import { joinDomains } from './shapes.js';

export interface Segment {
  readonly domain: Domain;
  readonly phase: Phase;
  readonly operations: readonly Operation[];
}

/**
 * The segments in execution order: domain none, requests forward, rows (forward, loss and backward), requests
 * backward, domain none after the accumulators are reduced. Operations on whole batches cut the rows' segment in pieces.
 * Empty ones are left out.
 */
export function schedule(operations: readonly Operation[]): Segment[] {
  const pick = (domain: Domain, backward?: boolean): Operation[] =>
    operations.filter(
      (operation) => domainOf(operation) === domain && (backward === undefined || operation.backward === backward),
    );
  const segments: Segment[] = [
    { domain: 'none', phase: 'prologue', operations: pick('none', false) },
    { domain: 'request', phase: 'tiles', operations: pick('request', false) },
    ...cutAtBatches(pick('row')),
    { domain: 'request', phase: 'tiles', operations: pick('request', true) },
    { domain: 'none', phase: 'reduced', operations: pick('none', true) },
  ];
  return segments.filter((segment) => segment.operations.length > 0);
}

/** Each operation as early as its operands allow: even pieces are tiles, odd ones operations on the whole batch. */
function cutAtBatches(operations: readonly Operation[]): Segment[] {
  const pieces: Operation[][] = [];
  const pieceOf = new Map<Value, number>();
  for (const operation of operations) {
    const read = operation.into === undefined ? operation.inputs : [...operation.inputs, operation.into];
    const ready = Math.max(0, ...read.map((value) => pieceOf.get(value) ?? 0));
    const whole = operation.definition.wholeBatch === true;
    const piece = whole === (ready % 2 === 1) ? ready : ready + 1;
    for (const output of operation.outputs) pieceOf.set(output, piece);
    for (let i = pieces.length; i <= piece; i += 1) pieces.push([]);
    pieces[piece]?.push(operation);
  }
  return pieces.map((piece, i) => ({ domain: 'row', phase: i % 2 === 1 ? 'batch' : 'tiles', operations: piece }));
}

/** Operations on accumulators run where their inputs are, all others where their output is. */
function domainOf(operation: Operation): Domain {
  const [output] = operation.outputs;
  if (output === undefined || isAccumulator(output)) return joinDomains(operation.inputs, operation.layer);
  return output.domain;
}

export function isAccumulator(value: Value): boolean {
  return value.source.kind === 'accumulator';
}
