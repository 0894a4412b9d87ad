/** From a configuration and encoded features to the model's programs, its store and its description. */
import { PrerankError } from '../base/errors.js';
import { elementCount } from '../base/shape.js';
import type { ResolvedConfig, TrainingConfig } from '../config/types.js';
import type { FeatureMap } from '../data/features.js';
import type { BalancingRequest } from '../graph/index.js';
import type { ModelProgram, PredictionOptions, TaskSample } from '../models/model.js';
import { predictionProgram, trainingProgram } from '../models/registry.js';
import { deviceSpec, resolveDevice } from '../runtime/device.js';
import type {
  Addon,
  DenseOptimizerSettings,
  NativeParameterStore,
  SparseOptimizerSettings,
  StoreSpec,
} from '../runtime/native.js';
import { type TaskModel, taskModels } from './tasks.js';

export interface AssembledModel {
  readonly tasks: readonly TaskModel[];
  readonly training: ModelProgram;
  /** Keeps the tasks' gradients apart, where the training program does not and they are to be reported. */
  readonly diagnosis: ModelProgram | null;
  readonly prediction: ModelProgram;
  /** The same model with the user side once per request. */
  readonly requestPrediction: ModelProgram;
}

/** @param samples of the tasks of a sample that the logits are to undo. */
export function assembleModel(
  config: ResolvedConfig,
  features: FeatureMap,
  samples: ReadonlyMap<string, TaskSample> = new Map(),
): AssembledModel {
  const tasks = taskModels(config, features);
  const { balancing, gradientCosines, lossReduce, pwiser } = config.training;
  const learning = tasks.filter(({ model: { weight, lossless } }) => weight > 0 && !lossless).length;
  const divisor = lossReduce === 'mean' ? Math.max(learning, 1) : 1;
  const models = tasks.map(({ name, model }) => {
    const sample = samples.get(name);
    const weight = model.weight / divisor;
    return sample === undefined ? { ...model, weight } : { ...model, weight, sample };
  });
  const program = (request?: BalancingRequest): ModelProgram =>
    trainingProgram(config.model, features, models, { balancing: request, pwiser });
  const together = balancing.kind === 'fixed' || balancing.kind === 'uncertainty';
  return {
    tasks,
    training: program(balancing.kind === 'fixed' ? undefined : balancing),
    diagnosis: together && gradientCosines > 0 ? program({ ...balancing, apart: true }) : null,
    ...predictionPrograms(config, features, { tasks }),
  };
}

/** Programs that predict; `weights`, of parameters that no longer change: without what these have switched off. */
export function predictionPrograms(
  { model }: Pick<ResolvedConfig, 'model'>,
  features: FeatureMap,
  { tasks }: Pick<AssembledModel, 'tasks'>,
  weights?: PredictionOptions['weights'],
): Pick<AssembledModel, 'prediction' | 'requestPrediction'> {
  const models = tasks.map((task) => task.model);
  return {
    prediction: predictionProgram(model, features, models, { weights }),
    requestPrediction: predictionProgram(model, features, models, { requestDomain: true, weights }),
  };
}

function sparseSettings({ sparseOptimizer: o }: TrainingConfig): SparseOptimizerSettings {
  return {
    kind: o.kind,
    beta1: o.beta1,
    beta2: o.beta2,
    epsilon: o.epsilon,
    initialAccumulator: o.initialAccumulator,
    l2: o.l2,
  };
}

function denseSettings({ denseOptimizer: o }: TrainingConfig): DenseOptimizerSettings {
  return {
    kind: o.kind,
    momentum: o.momentum,
    beta1: o.beta1,
    beta2: o.beta2,
    epsilon: o.epsilon,
    initialAccumulator: o.initialAccumulator,
    l2: o.l2,
    weightDecay: o.weightDecay,
  };
}

/** A store with the parameters of a training program; `training: false` leaves out optimizer state. */
export function createStore(
  addon: Addon,
  config: ResolvedConfig,
  parameters: StoreSpec['parameters'],
  training: boolean,
): NativeParameterStore {
  const device = deviceSpec(resolveDevice(addon, config.training.device), config.training);
  return new addon.ParameterStore({
    parameters: placed(config, parameters, device.cuda !== undefined),
    sparse: sparseSettings(config.training),
    dense: denseSettings(config.training),
    tableType: config.training.tableType,
    device,
    training,
    seed: config.training.seed,
  });
}

/** The parameters with `host` for the tables that are to stay in the host's memory. */
function placed(
  { training: { hostTables } }: ResolvedConfig,
  parameters: StoreSpec['parameters'],
  onGpu: boolean,
): StoreSpec['parameters'] {
  if (hostTables.length === 0) return parameters;
  if (!onGpu) {
    const what = 'tables have a place to choose on a GPU only, and this run is on the CPU';
    throw new PrerankError('CONFIG_INVALID', what, { path: 'training.hostTables' });
  }
  const isHost = (name: string): boolean => hostTables.some((table) => name.endsWith(`.${table}`));
  return parameters.map((spec) => (spec.table && isHost(spec.name) ? { ...spec, host: true } : spec));
}

export function threadCount(addon: Addon, config: ResolvedConfig): number {
  return config.training.threads === 'auto' ? addon.info().cores : config.training.threads;
}

/** Number of scalars in all parameters. */
export function parameterCount(program: ModelProgram): number {
  return program.parameters.reduce((sum, { shape }) => sum + elementCount(shape), 0);
}

/**
 * `model.json`: the architecture in enough detail to rebuild it elsewhere. `layers` are the forward operations of the
 * prediction plan in execution order; their inputs and outputs are value names.
 */
export function describeModel(config: ResolvedConfig, model: AssembledModel): object {
  const { plan, dense, ids, parameters } = model.prediction;
  const name = (value: number): string => plan.values[value]?.name ?? String(value);
  return {
    version: 1,
    name: config.name,
    model: config.model,
    tasks: model.tasks.map(({ name: task, model: { kind, weight, delta, logitsOf }, prediction }) => ({
      name: task,
      loss: kind,
      weight,
      delta,
      ...(logitsOf === undefined ? {} : { logitsOf }),
      prediction,
    })),
    inputs: {
      dense: plan.denseInputs.map((input, i) => ({ ...input, columns: dense[i]?.columns })),
      ids: plan.idInputs.map((input, i) => ({
        ...input,
        table: plan.tables[input.table]?.name,
        column: ids[i]?.column,
        weights: ids[i]?.weights,
        pooling: ids[i]?.pooling,
      })),
    },
    parameters: parameters.map(({ name: parameter, shape, table }) => ({ name: parameter, shape, table })),
    layers: plan.segments.flatMap(({ domain, ops }) =>
      ops.map(({ kind, layer, inputs, outputs, attributes }) => ({
        kind,
        layer,
        domain,
        inputs: inputs.map(name),
        outputs: outputs.map(name),
        attributes,
      })),
    ),
    outputs: plan.outputs.map(({ name: output, value }) => ({ task: output, value: name(value) })),
  };
}
