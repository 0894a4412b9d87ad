/** What a run's model is, read from its files alone. */

import { elementCount } from '../base/shape.js';
import { Checkpoints } from './checkpoint.js';
import { readRun } from './run.js';
import { readSummary, type TrainSummary } from './summary.js';

export interface InspectedRun {
  readonly name: string;
  /** Kind of architecture. */
  readonly model: string;
  readonly tasks: readonly { readonly name: string; readonly loss: string; readonly weight: number }[];
  readonly features: number;
  readonly parameters: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly count: number;
    readonly table: boolean;
  }[];
  readonly parameterCount: number;
  /** Of them in embedding tables. */
  readonly tableParameterCount: number;
  /** Of all parameters, without optimizer state. */
  readonly bytes: number;
  /** Steps. */
  /** Mean weights of the gates, as the summary has them; null before the run has ended or without gates. */
  readonly gates: TrainSummary['gates'] | null;
  readonly connections: TrainSummary['connections'] | null;
  readonly checkpoints: { readonly last: number | null; readonly best: number | null };
}

/** @throws PrerankError RUN_NOT_FOUND when the folder holds no run. */
export async function describeRun(folder: string): Promise<InspectedRun> {
  const { paths, config, features, model } = readRun(folder);
  const checkpoints = new Checkpoints(paths.checkpoints, config.training.keepCheckpoints);
  const parameters = model.training.parameters.map(({ name, shape, table }) => ({
    name,
    shape,
    count: elementCount(shape),
    table,
  }));
  const total = (listed: typeof parameters): number => listed.reduce((sum, { count }) => sum + count, 0);
  const parameterCount = total(parameters);
  const summary = await readSummary(paths.summary);
  return {
    name: config.name,
    model: config.model.kind,
    tasks: model.tasks.map(({ name, model: { kind, weight } }) => ({ name, loss: kind, weight })),
    features: features.features.length,
    parameters,
    parameterCount,
    tableParameterCount: total(parameters.filter(({ table }) => table)),
    bytes: parameterCount * Float32Array.BYTES_PER_ELEMENT,
    gates: summary?.gates ?? null,
    connections: summary?.connections ?? null,
    checkpoints: { last: await checkpoints.last(), best: await checkpoints.best() },
  };
}
