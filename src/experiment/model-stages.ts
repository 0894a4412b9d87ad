/** The stages that a simulation's configuration gives to trained runs: the early stage, the final stage. */

import { PrerankError } from '../base/errors.js';
import type { SimulationConfig } from '../cascade/config.js';
import { ModelEarly } from '../cascade/early.js';
import { type FinalTasks, ModelFinal, OracleFinal } from '../cascade/final.js';
import { allEvents } from '../cascade/phases.js';
import type { ScoringBatch } from '../cascade/scoring.js';
import type { Stages } from '../cascade/stages.js';
import { ColumnScorer } from '../train/column-scorer.js';
import { openRun, type Run } from '../train/run.js';

/** Heads of the final stage beside those of the quality events. */
const HEADS = ['ctr', 'cvr', 'vtr'];

export type ModelStages = Pick<Partial<Stages>, 'early' | 'final'>;

/**
 * Opens the runs of `early.run` and `teacher.run`; a stage without a run is left out. The final stage's run has tasks named
 * `ctr`, `cvr`, `vtr` or like quality events; the oracle has the heads for which it has none.
 * @throws PrerankError RUN_NOT_FOUND; INVALID_ARGUMENT for a run without a task that its stage can use.
 */
export async function modelStages(
  config: SimulationConfig,
  options: { readonly threads?: number } = {},
): Promise<ModelStages> {
  const { early, teacher } = config;
  const stages: { early?: Stages['early']; final?: Stages['final'] } = {};
  if (early.run !== undefined) {
    const run = await openRun(early.run, options);
    requireTasks(run, 'early.run', ['ctr']);
    stages.early = new ModelEarly(scorerOf(run));
  }
  if (teacher.run !== undefined) {
    const run = await openRun(teacher.run, options);
    const tasks = requireTasks(run, 'teacher.run', [...HEADS, ...allEvents(config).map(({ name }) => name)]);
    stages.final = new ModelFinal(scorerOf(run), new OracleFinal(), tasks);
  }
  return stages;
}

function scorerOf(run: Run): (batch: ScoringBatch) => Promise<ReadonlyMap<string, Float64Array>> {
  const scorer = new ColumnScorer(run);
  return (batch) => scorer.score(batch);
}

/** Those of `heads` that the run has a task for. */
function requireTasks({ model, paths }: Run, path: string, heads: readonly string[]): FinalTasks {
  const tasks = model.prediction.plan.outputs.map(({ name }) => name);
  const found = heads.filter((head) => tasks.includes(head));
  if (found.length > 0) return Object.fromEntries(found.map((head) => [head, head]));
  const message = `${path}: ${paths.config} has the tasks ${tasks.join(', ')}, none of ${heads.join(', ')}`;
  throw new PrerankError('INVALID_ARGUMENT', message, { path });
}
