/** Times scoring with the pre-ranking models in turn, beside the published figures. */
import type { Addon } from '../runtime/native.js';
import { describeEnvironment, type Environment } from './environment.js';
import { type ServeTurnsOptions, serveInTurn, type TurnModel, type TurnServing } from './serve-in-turn.js';
import {
  type PublishedServing,
  SERVED_MODELS,
  type ServedModel,
  servedFeatures,
  servedProgram,
} from './served-models.js';
import { DENSE_SETTINGS, SPARSE_SETTINGS } from './step-problem.js';

/** Of a model over the first one. */
export interface PublishedRatios {
  readonly qps: number;
  readonly tp99: number;
  readonly cpu: number | null;
}

export interface ModelServing extends TurnServing {
  readonly paper: PublishedServing;
  readonly paperRatios: PublishedRatios | null;
}

export interface ServeModelsResult {
  readonly bench: 'serve-models';
  readonly ads: number;
  readonly seed: number;
  readonly environment: Environment;
  readonly models: readonly ModelServing[];
}

function scoredModel(addon: Addon, served: ServedModel, seed: number): TurnModel {
  const features = servedFeatures();
  const program = servedProgram(served, features);
  const store = new addon.ParameterStore({
    parameters: program.parameters,
    sparse: { kind: 'adagrad', ...SPARSE_SETTINGS },
    dense: { kind: 'adam', ...DENSE_SETTINGS },
    training: false,
    seed,
  });
  return { name: served.name, features, listLength: { min: 1, max: 1 }, program, store };
}

function ratiosOf(paper: PublishedServing, base: PublishedServing): PublishedRatios {
  return {
    qps: paper.qps / base.qps,
    tp99: paper.tp99 / base.tp99,
    cpu: paper.cpu === null || base.cpu === null ? null : paper.cpu / base.cpu,
  };
}

export async function benchServeModels(addon: Addon, options: ServeTurnsOptions): Promise<ServeModelsResult> {
  const { ads, seed } = options;
  const environment = describeEnvironment(addon);
  const scored = SERVED_MODELS.map((served) => scoredModel(addon, served, seed));
  const found = await serveInTurn(addon, scored, environment, options);
  const base = SERVED_MODELS[0]?.paper;
  const models = SERVED_MODELS.flatMap(({ paper }, i): ModelServing[] => {
    const serving = found[i];
    if (serving === undefined || base === undefined) return [];
    return [{ ...serving, paper, paperRatios: paper === base ? null : ratiosOf(paper, base) }];
  });
  return { bench: 'serve-models', ads, seed, environment, models };
}
