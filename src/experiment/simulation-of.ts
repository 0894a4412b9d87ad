/** Finds the simulation that a run was trained on. */
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PrerankError } from '../base/errors.js';
import { loadSimulation, type SimulationConfig } from '../cascade/config.js';
import { readRun } from '../train/run.js';

const FILE = 'simulation.yaml';

/**
 * @param given a configuration, or a folder of simulated logs.
 * @param run where to look when none is given: the run's training logs lie in the folder of their simulation.
 * @throws PrerankError USAGE when there is none; what reading it may throw.
 */
export function simulationOf(given: string | undefined, run: string | undefined): SimulationConfig {
  if (given !== undefined) {
    const isFolder = statSync(given, { throwIfNoEntry: false })?.isDirectory() === true;
    return loadSimulation(isFolder ? join(given, FILE) : given);
  }
  const found = run === undefined ? undefined : besideLogs(run);
  if (found !== undefined) return loadSimulation(found);
  const where = run === undefined ? 'no arm is a run' : `there is no ${FILE} beside the training logs of ${run}`;
  throw new PrerankError('USAGE', `${where}; name the simulation's configuration or the folder of its logs`);
}

/** `LOGS/simulation.yaml` of a run trained on `LOGS/train/*.parquet`. */
function besideLogs(run: string): string | undefined {
  const { train } = readRun(run).config.data;
  const path = train === undefined || 'sql' in train ? train?.directory : train[0];
  if (path === undefined) return undefined;
  return [path, dirname(path), dirname(dirname(path))].map((folder) => join(folder, FILE)).find(existsSync);
}
