/** What serving early-stage models costs per request: arithmetic and embedding traffic, counted from their plans (framework.md §6.4). */

import type { ModelProgram } from '../models/model.js';
import { predictionProgram } from '../models/registry.js';
import type { Plan, PlanOp } from '../runtime/plan.js';
import { operationCost } from '../runtime/plan-cost.js';
import type { Run } from '../train/run.js';

/** Tasks that are served of a run; its other heads cost nothing. */
export interface ServedHeads {
  readonly run: Run;
  readonly tasks: readonly string[];
}

/** Costs of what runs once per request, once per ad, and once per pair of both. */
export interface CostParts {
  readonly request: number;
  readonly ad: number;
  readonly pair: number;
}

export interface ServingCost {
  readonly candidates: number;
  /** float32 operations, a multiply-add counts two. */
  readonly flops: CostParts;
  /** Bytes of embedding rows read; a bag counts one id. */
  readonly embeddingBytes: CostParts;
  /** Of a request when the ad side is computed for every candidate, and when it is cached by ad. */
  readonly perRequest: {
    readonly flops: number;
    readonly flopsAdsCached: number;
    readonly embeddingBytes: number;
    readonly embeddingBytesAdsCached: number;
  };
  /** Bytes of the parameters: embedding tables, and everything else. */
  readonly tableBytes: number;
  readonly denseBytes: number;
}

const FLOAT_BYTES = 4;

type Part = keyof CostParts;

/** The program that serves: the user's side once per request, and no other heads. */
export function servingProgram({ run, tasks }: ServedHeads): ModelProgram {
  const served = run.model.tasks.filter(({ name }) => tasks.includes(name)).map(({ model }) => model);
  return predictionProgram(run.config.model, run.features, served, { requestDomain: true });
}

/** The sum over the models of an arm; of a request with `candidates` ads. */
export function servingCost(served: readonly ServedHeads[], candidates: number): ServingCost {
  const flops = { request: 0, ad: 0, pair: 0 };
  const embeddingBytes = { request: 0, ad: 0, pair: 0 };
  let tableBytes = 0;
  let denseBytes = 0;
  for (const program of served.map(servingProgram)) {
    for (const { part, op } of partsOf(program.plan)) {
      flops[part] += operationCost(program.plan, op, 1).flops;
      embeddingBytes[part] += lookupBytes(program.plan, op);
    }
    for (const { shape, table } of program.parameters) {
      const bytes = FLOAT_BYTES * shape.reduce((product, size) => product * size, 1);
      if (table) tableBytes += bytes;
      else denseBytes += bytes;
    }
  }
  const total = ({ request, pair }: CostParts, ad: number): number => request + candidates * (pair + ad);
  return {
    candidates,
    flops,
    embeddingBytes,
    perRequest: {
      flops: total(flops, flops.ad),
      flopsAdsCached: total(flops, 0),
      embeddingBytes: total(embeddingBytes, embeddingBytes.ad),
      embeddingBytesAdsCached: total(embeddingBytes, 0),
    },
    tableBytes,
    denseBytes,
  };
}

/** Operations over requests; over rows without, and with, anything of the request. */
function partsOf(plan: Plan): { readonly part: Part; readonly op: PlanOp }[] {
  const ofRequest = new Set<number>();
  return plan.segments.flatMap(({ domain, ops }) =>
    ops.map((op) => {
      const depends = domain === 'request' || op.inputs.some((input) => ofRequest.has(input));
      if (depends) for (const output of op.outputs) ofRequest.add(output);
      if (domain === 'request') return { part: 'request' as const, op };
      return { part: depends ? ('pair' as const) : ('ad' as const), op };
    }),
  );
}

function lookupBytes(plan: Plan, { kind, attributes }: PlanOp): number {
  const { idInputs } = attributes;
  if (kind !== 'embedding' || typeof idInputs !== 'object') return 0;
  return idInputs.reduce((bytes, input) => {
    const table = plan.tables[plan.idInputs[input]?.table ?? -1];
    return bytes + FLOAT_BYTES * (table?.dim ?? 0);
  }, 0);
}
