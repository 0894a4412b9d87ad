/** Small simulated systems. */

import type { Candidates } from '../../src/cascade/candidates.js';
import { Cascade, createStages, type Served } from '../../src/cascade/cascade.js';
import { loadSimulation, type SimulationConfig } from '../../src/cascade/config.js';
import type { Stages } from '../../src/cascade/stages.js';
import { SimulatedSystem } from '../../src/cascade/system.js';

/** 60 of 200 ads retrieved, 12 passed on, 2 shown. */
export function smallConfig(overrides: object = {}): SimulationConfig {
  const small = {
    world: { users: 120, ads: 200 },
    cascade: { retrieved: 60, passed: 12, shown: 2 },
    requests: { train: 200, eval: 30, replay: 20 },
    log: { final: 3, early: 3 },
  };
  return loadSimulation(small, { overrides });
}

export function smallSystem(overrides: object = {}): SimulatedSystem {
  return new SimulatedSystem(smallConfig(overrides));
}

export interface ServeOptions {
  readonly from?: number;
  readonly to?: number;
  readonly size?: number;
  readonly stages?: Partial<Stages>;
}

/** Serves requests in batches of `size`. */
export async function serveAll(system: SimulatedSystem, options: ServeOptions = {}): Promise<Served[]> {
  const { from = 0, to = 40, size = 16, stages = {} } = options;
  const cascade = new Cascade(system, createStages(system, stages));
  const served: Served[] = [];
  for (const batch of system.requests(from, to, size)) served.push(await cascade.serve(batch));
  return served;
}

/** Rows of each request of a batch. */
export function requestRows({ offsets }: Pick<Candidates, 'offsets'>): number[][] {
  return Array.from({ length: offsets.length - 1 }, (_, i) => {
    const begin = offsets[i] ?? 0;
    return Array.from({ length: (offsets[i + 1] ?? 0) - begin }, (_unused, k) => begin + k);
  });
}

/** The best k of `rows` by sorting: value descending, ties by row. */
export function bruteTop(values: ArrayLike<number>, rows: readonly number[], k: number): number[] {
  const value = (row: number): number => values[row] ?? Number.NaN;
  return [...rows].sort((a, b) => value(b) - value(a) || a - b).slice(0, k);
}
