/** What `prerank bench serve` scores with: a reference step with drawn parameters, or a run with its own. */
import type { ModelProgram, SidePrograms } from '../models/model.js';
import { predictionProgram, sidePrograms } from '../models/registry.js';
import type { Addon, NativeParameterStore } from '../runtime/native.js';
import type { Run } from '../train/run.js';
import type { ReferenceStep } from './reference-steps.js';
import { DENSE_SETTINGS, SPARSE_SETTINGS } from './step-problem.js';

export interface ScoredModel extends Pick<ReferenceStep, 'name' | 'features' | 'listLength'> {
  /** The user's side once per request. */
  readonly program: ModelProgram;
  /** Null where ads have no vectors of their own. */
  readonly sides: SidePrograms | null;
  readonly store: NativeParameterStore;
}

export function referenceModel(addon: Addon, step: ReferenceStep, seed: number): ScoredModel {
  const program = predictionProgram(step.model, step.features, step.tasks, { requestDomain: true });
  const store = new addon.ParameterStore({
    parameters: program.parameters,
    sparse: { kind: step.sparse, ...SPARSE_SETTINGS },
    dense: { kind: step.dense, ...DENSE_SETTINGS },
    training: false,
    seed,
  });
  const { name, features, listLength } = step;
  return { name, features, listLength, program, sides: sidePrograms(step.model, features, step.tasks), store };
}

/** Lists of a run's features have 1 to 10 ids here. */
const LIST_LENGTH = { min: 1, max: 10 };

/** The prediction program of a run, without what training has switched off. */
export function trainedModel({ config, features, model, store }: Run): ScoredModel {
  const sides = sidePrograms(
    config.model,
    features,
    model.tasks.map((task) => task.model),
  );
  return { name: config.name, features, listLength: LIST_LENGTH, program: model.requestPrediction, sides, store };
}
