/** Training by configuration: one run, or with `model.selection` a search for fields and a run on those that it keeps. */
import { join } from 'node:path';
import { PrerankError } from '../base/errors.js';
import { datasetOf } from '../config/dataset-source.js';
import { type DataConfig, hasEvaluationData, type ResolvedConfig } from '../config/types.js';
import { modelOfFields, modelOfSearch, type SelectingConfig } from '../models/selection.js';
import { type FieldImportance, fieldImportances } from './gates.js';
import { readRun } from './run.js';
import { runPaths } from './run-folder.js';
import { readSummary, type TrainSummary } from './summary.js';
import { type TrainOptions, trainModel } from './trainer.js';

/** Folder of the run that chooses the fields, in the folder of the run on them. */
export const SEARCH_FOLDER = 'search';

/**
 * Trains a model and leaves the run in `options.out`: config, metrics, checkpoints, model, summary. Resuming a run that is
 * finished leaves it as it is. With `model.selection` the run that chooses the fields is left in `search/` of it.
 *
 * @returns the summary; `status` says whether the run completed, stopped early or was interrupted.
 * @throws PrerankError RUN_EXISTS when the folder is not empty and `resume` is not set; CHECKPOINT_* when resuming fails;
 * NON_FINITE when a loss is not finite; the data's and the configuration's errors.
 */
export async function train(config: ResolvedConfig, options: TrainOptions): Promise<TrainSummary> {
  const { model } = config;
  if (!('selection' in model) || model.selection === undefined) return trainModel(config, options);
  const { selection } = model;
  const folder = join(options.out, SEARCH_FOLDER);
  const search = await trainModel({ ...config, model: modelOfSearch(model) }, { ...options, out: folder });
  if (search.status === 'interrupted') return search;
  const kept = await selectFields(folder, selection.keep);
  return trainModel(withSelectedFields(config, model, kept, folder), options);
}

/**
 * The `keep` fields that matter most to a finished run of cold or fscd, in the order of its features.
 * @throws PrerankError UNSUPPORTED when the run weighs no fields, CONFIG_INVALID when it has fewer.
 */
export async function selectFields(folder: string, keep: number): Promise<string[]> {
  const summary = await readSummary(readRun(folder).paths.summary);
  const importances: readonly FieldImportance[] = fieldImportances(summary?.gates ?? {});
  if (importances.length === 0) throw new PrerankError('UNSUPPORTED', 'the run weighs no fields', { file: folder });
  if (keep > importances.length) {
    throw new PrerankError(
      'CONFIG_INVALID',
      `there are ${importances.length} fields, of which ${keep} cannot be kept`,
      {
        path: 'model.selection.keep',
      },
    );
  }
  const best = importances.toSorted((a, b) => b.importance - a.importance).slice(0, keep);
  return importances.filter((field) => best.includes(field)).map(({ field }) => field);
}

/** The configuration of the run on the fields kept, which reads what the search has encoded. */
function withSelectedFields(
  config: ResolvedConfig,
  model: SelectingConfig,
  fields: readonly string[],
  search: string,
): ResolvedConfig {
  const { model: selected, continues } = modelOfFields(model, fields);
  const { training } = config;
  return {
    ...config,
    data: encodedData(config, search),
    model: selected,
    training: continues ? { ...training, startFrom: search } : training,
  };
}

/** The logs as the search has encoded them; a dataset folder stays what it is. */
function encodedData(config: ResolvedConfig, search: string): DataConfig {
  const { data } = config;
  if (datasetOf(data.train, 'train') !== undefined) return data;
  const folder = (split: 'train' | 'eval'): string[] => [join(runPaths(search).data, split)];
  const { split: _split, ...others } = data;
  return { ...others, train: folder('train'), ...(hasEvaluationData(config) ? { eval: folder('eval') } : {}) };
}
