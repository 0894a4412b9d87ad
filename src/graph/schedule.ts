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
 * backward, domain none after the accumulators are reduced. Empty ones are left out.
 */
export function schedule(operations: readonly Operation[]): Segment[] {
  const pick = (domain: Domain, backward?: boolean): Operation[] =>
    operations.filter(
      (operation) => domainOf(operation) === domain && (backward === undefined || operation.backward === backward),
    );
  const segments: Segment[] = [
    { domain: 'none', phase: 'prologue', operations: pick('none', false) },
    { domain: 'request', phase: 'tiles', operations: pick('request', false) },
    { domain: 'row', phase: 'tiles', operations: pick('row') },
    { domain: 'request', phase: 'tiles', operations: pick('request', true) },
    { domain: 'none', phase: 'reduced', operations: pick('none', true) },
  ];
  return segments.filter((segment) => segment.operations.length > 0);
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
