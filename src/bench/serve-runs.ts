/** Times scoring with the models of several runs in turn, each against the first. */
import type { Addon } from '../runtime/native.js';
import { formatTable } from '../train/evaluation-result.js';
import { describeEnvironment, type Environment } from './environment.js';
import { type ServeTurnsOptions, serveInTurn, type TurnModel, type TurnServing } from './serve-in-turn.js';
import { thousands } from './text.js';

export interface ServeRunsResult {
  readonly bench: 'serve-runs';
  readonly ads: number;
  readonly seed: number;
  readonly environment: Environment;
  readonly runs: readonly TurnServing[];
}

/** @param models with the names of their runs. */
export async function benchServeRuns(
  addon: Addon,
  models: readonly TurnModel[],
  options: ServeTurnsOptions,
): Promise<ServeRunsResult> {
  const { ads, seed } = options;
  const environment = describeEnvironment(addon);
  const runs = await serveInTurn(addon, models, environment, options);
  return { bench: 'serve-runs', ads, seed, environment, runs };
}

export function formatServeRuns({ ads, environment, runs }: ServeRunsResult): string {
  const rows = runs.map(({ model, qps, tp99, cpu, speedUp }) => [
    model,
    thousands(qps),
    `${tp99.toFixed(3)} ms`,
    `${cpu.toFixed(3)} ms`,
    speedUp === null
      ? ''
      : `${speedUp.ratio.toFixed(2)} (${speedUp.ratioLow.toFixed(2)} to ${speedUp.ratioHigh.toFixed(2)})`,
  ]);
  return [
    `1 user with ${ads} ads a request, one thread (${environment.cpu}, ${environment.isa})`,
    '',
    ...formatTable(['run', 'requests/s', 'TP99', 'CPU', 'faster than the first'], rows),
  ].join('\n');
}
