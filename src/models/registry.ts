/** Every architecture there is; a new model is a file beside this and a line here. */
import type { ModelConfig } from '../config/models.js';
import type { FeatureMap } from '../data/features.js';
import { aitm } from './aitm.js';
import { cold } from './cold.js';
import { dlrm } from './dlrm.js';
import { ecm } from './ecm.js';
import { ecmm } from './ecmm.js';
import { esmm } from './esmm.js';
import { withFields } from './fields.js';
import { fscd } from './fscd.js';
import { mlp } from './mlp.js';
import { mmoe } from './mmoe.js';
import type {
  Architecture,
  GatingProgram,
  ModelProgram,
  ModelTask,
  PredictionOptions,
  SidePrograms,
  TrainingOptions,
} from './model.js';
import { ple } from './ple.js';
import { sharedBottom } from './shared-bottom.js';
import { taml } from './taml.js';
import { twoTower } from './two-tower.js';
import { vectorProduct } from './vector-product.js';

/** An architecture with its configuration. */
interface Bound {
  training(features: FeatureMap, tasks: readonly ModelTask[], options: TrainingOptions): ModelProgram;
  prediction(features: FeatureMap, tasks: readonly ModelTask[], options: PredictionOptions): ModelProgram;
  gating(features: FeatureMap, tasks: readonly ModelTask[]): GatingProgram | null;
  sides(features: FeatureMap, tasks: readonly ModelTask[]): SidePrograms | null;
}

function bind<Config extends { readonly fields?: readonly string[] }>(
  architecture: Architecture<Config>,
  config: Config,
): Bound {
  const read = (map: FeatureMap): FeatureMap => withFields(map, config.fields);
  return {
    training: (features, tasks, options) => architecture.training(config, read(features), tasks, options),
    prediction: (features, tasks, options) => architecture.prediction(config, read(features), tasks, options),
    gating: (features, tasks) => architecture.gating(config, read(features), tasks),
    sides: (features, tasks) => architecture.sides(config, read(features), tasks),
  };
}

function architectureOf(config: ModelConfig): Bound {
  switch (config.kind) {
    case 'two-tower':
      return bind(twoTower, config);
    case 'dlrm':
      return bind(dlrm, config);
    case 'mlp':
      return bind(mlp, config);
    case 'shared-bottom':
      return bind(sharedBottom, config);
    case 'mmoe':
      return bind(mmoe, config);
    case 'ple':
      return bind(ple, config);
    case 'esmm':
      return bind(esmm, config);
    case 'aitm':
      return bind(aitm, config);
    case 'taml':
      return bind(taml, config);
    case 'vector-product':
      return bind(vectorProduct, config);
    case 'cold':
      return bind(cold, config);
    case 'ecm':
      return bind(ecm, config);
    case 'ecmm':
      return bind(ecmm, config);
    case 'fscd':
      return bind(fscd, config);
  }
}

/** The training program of a model: forward, backward and loss over the tasks, in their order, and the model's own terms. */
export function trainingProgram(
  config: ModelConfig,
  features: FeatureMap,
  tasks: readonly ModelTask[],
  options: TrainingOptions = {},
): ModelProgram {
  return architectureOf(config).training(features, tasks, options);
}

/** The prediction program of a model; see PredictionOptions. */
export function predictionProgram(
  config: ModelConfig,
  features: FeatureMap,
  tasks: readonly ModelTask[],
  options: PredictionOptions = {},
): ModelProgram {
  return architectureOf(config).prediction(features, tasks, options);
}

/** The gates of a model, null where it has none. */
export function gatingProgram(
  config: ModelConfig,
  features: FeatureMap,
  tasks: readonly ModelTask[],
): GatingProgram | null {
  return architectureOf(config).gating(features, tasks);
}

/** The programs of the two sides of a model, null where a layer reads features of user and ad together. */
export function sidePrograms(
  config: ModelConfig,
  features: FeatureMap,
  tasks: readonly ModelTask[],
): SidePrograms | null {
  return architectureOf(config).sides(features, tasks);
}
