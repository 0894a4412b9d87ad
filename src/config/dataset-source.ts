/** Configurations whose `data.train` is a dataset folder: what the dataset says need not be said again. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { differences } from '../base/compare.js';
import { PrerankError } from '../base/errors.js';
import { isPlainObject, type PlainObject } from './override.js';
import { DEFAULT_SPLIT_FRACTION, type SourceConfig } from './types.js';

const DATASET_FILE = 'dataset.json';

const isDataset = (folder: string): boolean => existsSync(join(folder, DATASET_FILE));

/** The folder with the dataset.json of a split: `folder` itself, or the one of that name in it. */
export function datasetFolder(folder: string, split: 'train' | 'eval'): string | undefined {
  return [folder, join(folder, split)].find(isDataset);
}

/** The dataset that a source names, or undefined when it names logs. */
export function datasetOf(source: SourceConfig | undefined, split: 'train' | 'eval'): string | undefined {
  if (source === undefined || !('length' in source) || source.length !== 1) return undefined;
  return datasetFolder(source[0] ?? '', split);
}

/** `config` of a dataset.json; its other members are read and checked where the dataset is opened. */
function storedSettings(folder: string): PlainObject {
  const path = join(folder, DATASET_FILE);
  try {
    const content: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (isPlainObject(content) && isPlainObject(content.config)) return content.config;
  } catch (cause) {
    throw new PrerankError('DATA_INVALID', `${path}: no JSON. Ingest the log again`, { file: path }, { cause });
  }
  throw new PrerankError('DATA_INVALID', `${path}: not made by this version. Ingest the log again`, { file: path });
}

/** The rows of a dataset are split already: a rule that is given must be the one they were split by. */
function checkSplit(given: unknown, stored: unknown, folder: string): void {
  if (!isPlainObject(given)) return;
  const rule = given.by === 'hash' ? { fraction: DEFAULT_SPLIT_FRACTION, ...given } : given;
  const changes = differences(stored, rule, 'data.split');
  if (changes.length === 0) return;
  throw new PrerankError(
    'CONFIG_INVALID',
    `the dataset ${folder} was split otherwise (${changes.join('; ')}). Leave out data.split, or ingest the log again`,
    { path: 'data.split', file: folder },
  );
}

const INHERITED = ['columns', 'features'] as const;

/**
 * Completes a configuration that trains on a dataset folder: the folders of its splits, and `columns` and `features` where
 * they are not given.
 * @throws PrerankError DATA_INVALID when the dataset's description cannot be read.
 */
export function fillFromDataset(config: unknown): unknown {
  if (!isPlainObject(config) || !isPlainObject(config.data) || typeof config.data.train !== 'string') return config;
  const root = config.data.train;
  const train = datasetFolder(root, 'train');
  if (train === undefined) return config;
  const settings = storedSettings(train);
  const data: PlainObject = { ...config.data, train };
  for (const key of INHERITED) data[key] ??= settings[key];
  checkSplit(data.split, settings.split, train);
  delete data.split;
  if (data.eval === undefined && train !== root && isDataset(join(root, 'eval'))) {
    data.eval = join(root, 'eval');
  } else if (typeof data.eval === 'string') {
    data.eval = datasetFolder(data.eval, 'eval') ?? data.eval;
  }
  return { ...config, data };
}
