/** Arms as the command line names them. */
import { basename } from 'node:path';
import { PrerankError } from '../base/errors.js';
import { SimulatedSystem } from '../cascade/system.js';
import { type Arm, type ArmSpec, type EventModel, openArms, type QualitySpec, runArm } from './arms.js';
import { type ModelStages, modelStages } from './model-stages.js';
import { RunPool } from './run-pool.js';
import { simulationOf } from './simulation-of.js';

const PART = /^([A-Za-z_][A-Za-z0-9_]*)=(.+)$/;

/**
 * An arm from its notation: a run's folder; `ctr=RUN` or `teacher=RUN`, then `cqs=RUN` or quality events of the system (`cross_out=RUN`,
 * tasks of these names, with the system's latest scalars), separated by commas; `oracle` (the truth without errors), `random`.
 * @throws PrerankError USAGE.
 */
export async function parseArm(notation: string, system: SimulatedSystem, pool: RunPool): Promise<ArmSpec> {
  const events = system.truth.events.map(({ name }) => name);
  if (notation === 'oracle') return { name: notation, oracle: { noise: 0, events } };
  if (notation === 'random') return { name: notation, random: true };
  if (!PART.test(notation)) return runArm(basename(notation), notation, pool);
  const parts = new Map<string, string>();
  for (const part of notation.split(',')) {
    const [, key = '', run = ''] = PART.exec(part) ?? [];
    if (run === '' || parts.has(key)) throw usage(notation, `"${part}" is no task=RUN, or is there twice`);
    parts.set(key, run);
  }
  const { ctr, cqs, teacher, ...models } = Object.fromEntries(parts);
  if ((ctr === undefined) === (teacher === undefined)) throw usage(notation, 'give either ctr=RUN or teacher=RUN');
  const unknown = Object.keys(models).find((name) => !events.includes(name));
  if (unknown !== undefined)
    throw usage(notation, `no quality event is named ${unknown}. Events: ${events.join(', ')}`);
  if (cqs !== undefined && Object.keys(models).length > 0)
    throw usage(notation, 'give cqs or quality events, not both');
  return {
    name: notation,
    ctr: ctr === undefined ? { run: teacher ?? '', head: 'teacher' } : { run: ctr },
    quality: cqs === undefined ? eventModels(models, system) : { run: cqs },
  };
}

function eventModels(models: Readonly<Record<string, string>>, system: SimulatedSystem): QualitySpec | null {
  const scalars = system.phases[system.phases.length - 1]?.scalars ?? new Float64Array(0);
  const events = Object.entries(models).map(([task, run]): EventModel => {
    const place = system.truth.events.findIndex(({ name }) => name === task);
    return { run, task, scalar: scalars[place] ?? 0 };
  });
  return events.length === 0 ? null : { events };
}

function usage(notation: string, reason: string): PrerankError {
  return new PrerankError('USAGE', `arm ${notation}: ${reason}`);
}

export interface OpenNamedOptions {
  /** A simulation's configuration, or the folder of its logs; default: that of the logs of the first run. */
  readonly simulation?: string;
  /** Of each run; default: as configured. */
  readonly threads?: number;
}

/** The arms, the simulated system that they work in, and its stages that are runs. */
export async function openNamedArms(
  notations: readonly string[],
  { simulation, threads }: OpenNamedOptions = {},
): Promise<{ readonly system: SimulatedSystem; readonly arms: readonly Arm[]; readonly stages: ModelStages }> {
  const runs = notations.flatMap(runsOf);
  const system = new SimulatedSystem(simulationOf(simulation, runs[0]));
  const pool = new RunPool({ threads });
  const specs: ArmSpec[] = [];
  for (const notation of notations) specs.push(await parseArm(notation, system, pool));
  const stages = await modelStages(system.config, { threads });
  return { system, arms: await openArms(specs, { pool, system }), stages };
}

function runsOf(notation: string): string[] {
  if (notation === 'oracle' || notation === 'random') return [];
  if (!PART.test(notation)) return [notation];
  return notation.split(',').flatMap((part) => PART.exec(part)?.[2] ?? []);
}
