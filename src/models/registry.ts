/** Every architecture there is; a new model is a file beside this and a line here. */
import type { ModelConfig } from '../config/types.js';
import type { FeatureMap } from '../data/features.js';
import type { BalancingRequest } from '../graph/index.js';
import { dlrm } from './dlrm.js';
import type { ModelProgram, ModelTask } from './model.js';
import { twoTower } from './two-tower.js';

export const ARCHITECTURES = { 'two-tower': twoTower, dlrm } as const;

/** The training program of a model: forward, backward and loss over the tasks, in their order. */
export function trainingProgram(
  config: ModelConfig,
  features: FeatureMap,
  tasks: readonly ModelTask[],
  options: { readonly balancing?: BalancingRequest | undefined } = {},
): ModelProgram {
  switch (config.kind) {
    case 'two-tower':
      return twoTower.training(config, features, tasks, options);
    case 'dlrm':
      return dlrm.training(config, features, tasks, options);
  }
}

/** The prediction program of a model; `requestDomain`: user features run once per request. */
export function predictionProgram(
  config: ModelConfig,
  features: FeatureMap,
  tasks: readonly ModelTask[],
  options: { readonly requestDomain?: boolean } = {},
): ModelProgram {
  switch (config.kind) {
    case 'two-tower':
      return twoTower.prediction(config, features, tasks, options);
    case 'dlrm':
      return dlrm.prediction(config, features, tasks, options);
  }
}
