/** Training that goes on from another run's parameters: those of a model that chose the fields of this one. */
import { PrerankError } from '../base/errors.js';
import type { ModelConfig } from '../config/models.js';
import type { FeatureMap } from '../data/features.js';
import { keptColumns } from '../models/selection.js';
import type { NativeParameterStore } from '../runtime/native.js';
import { readRun } from './run.js';
import { SafetensorsFile } from './safetensors.js';

/**
 * Overwrites the parameters that the run `folder` has by those of its model: whole, or the columns of the fields that are left.
 * @throws PrerankError RUN_NOT_FOUND, CHECKPOINT_INVALID, CONFIG_INVALID when the run's model is another one.
 */
export async function startFrom(
  folder: string,
  model: ModelConfig,
  features: FeatureMap,
  store: NativeParameterStore,
): Promise<void> {
  const before = readRun(folder);
  const search = before.config.model;
  if (model.kind !== 'fscd' || search.kind !== 'fscd') {
    throw new PrerankError('CONFIG_INVALID', `a ${model.kind} model cannot go on from a ${search.kind} model's run`, {
      path: 'training.startFrom',
    });
  }
  const columns = keptColumns(search, model, features);
  const file = await SafetensorsFile.open(before.paths.modelTensors);
  try {
    for (const { name, shape } of store.parameters()) {
      const tensor = file.tensors.find((candidate) => candidate.name === name);
      if (tensor === undefined) continue;
      const values = await file.read(name);
      store.write(
        name,
        tensor.shape.join() === shape.join() ? values : pick(name, values, tensor.shape, columns.get(name)),
      );
    }
  } finally {
    await file.close();
  }
}

/** The columns of a matrix. */
function pick(
  name: string,
  values: Float32Array,
  shape: readonly number[],
  columns: number[] | undefined,
): Float32Array {
  const [rows = 0, width = 0] = shape;
  if (columns === undefined) {
    throw new PrerankError('CONFIG_INVALID', `${name} has another shape in the run that training starts from`, {
      path: 'training.startFrom',
    });
  }
  return Float32Array.from({ length: rows * columns.length }, (_, i) => {
    const row = Math.floor(i / columns.length);
    return values[row * width + (columns[i % columns.length] ?? 0)] ?? Number.NaN;
  });
}
