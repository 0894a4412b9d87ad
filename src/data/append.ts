/** Adds files that came later to a dataset: old rows, vocabulary rows and statistics stay as they are. */

import { readdirSync } from 'node:fs';
import { appendFile, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { differences } from '../base/compare.js';
import { PrerankError } from '../base/errors.js';
import { syncPath } from '../base/files.js';
import type { Addon } from '../runtime/native.js';
import { Dataset } from './dataset.js';
import { describeAppended } from './dataset-description.js';
import { readFeatures } from './dataset-features.js';
import {
  DATASET_FILE,
  type DatasetDescription,
  FEATURES_FILE,
  REJECTS_FILE,
  readDescription,
  writeDescription,
} from './dataset-file.js';
import { datasetSettings, sourceFingerprint } from './dataset-settings.js';
import { dataError } from './duckdb.js';
import {
  asEncoded,
  checkResult,
  type EncodedDataset,
  type EncodeOptions,
  readingConfig,
  resourcesOf,
  sourceOf,
  sourcesOf,
} from './encode.js';
import { encodeLog } from './encode-log.js';
import { writeFeatureMap } from './feature-map.js';
import { type FeatureMap, ROLE_COLUMNS } from './features.js';
import { DEFAULT_MEMORY_BYTES, Log } from './log.js';
import { listSource, type SourceFile } from './sources.js';
import { WorkFolder } from './work-folder.js';

/** Part files of a folder, by their numbers. */
const PART = /^part-(\d+)\.arrow$/;

/** Files of the source that the dataset does not list yet. */
function newFiles(dir: string, files: readonly SourceFile[], description: DatasetDescription): SourceFile[] {
  const listed = new Map(description.sources.map((source) => [source.path, source]));
  return files.filter((file) => {
    const known = listed.get(file.path);
    if (known === undefined) return true;
    if (known.size === file.size && known.modified === file.modified) return false;
    throw new PrerankError(
      'DATASET_CHANGED',
      `${file.path}: changed since ${dir} was made from it. Ingest without --append to read all files again`,
      { file: file.path },
    );
  });
}

function checkSettings(dir: string, wanted: Readonly<Record<string, unknown>>, { config }: DatasetDescription): void {
  const changes = differences(config, wanted);
  if (changes.length === 0) return;
  throw new PrerankError(
    'CONFIG_INVALID',
    `${dir} was made with other settings (${changes.join('; ')}). Give the same ones, or ingest without --append`,
    { file: join(dir, DATASET_FILE) },
  );
}

/** The first code of each role that no row of a dataset has. */
function nextCodes(
  dir: string,
  addon: Pick<Addon, 'mapFile' | 'Dataset'>,
): { request: number; user: number; ad: number } {
  const dataset = Dataset.open(dir, addon);
  try {
    const next = (role: 'request' | 'user' | 'ad'): number => {
      const codes = dataset.uint32(ROLE_COLUMNS[role].column) ?? new Uint32Array(0);
      return codes.reduce((most, code) => Math.max(most, code + 1), 0);
    };
    return { request: next('request'), user: next('user'), ad: next('ad') };
  } finally {
    dataset.close();
  }
}

/** Moves the new files beside the old ones, under names that the dataset does not use. */
async function adopt(
  dir: string,
  work: WorkFolder,
  old: DatasetDescription,
  names: readonly string[],
): Promise<string[]> {
  const used = new Set(old.files.map(({ name }) => name));
  for (const name of readdirSync(dir)) if (PART.test(name) && !used.has(name)) await rm(join(dir, name));
  let next = Math.max(-1, ...old.files.map(({ name }) => Number(PART.exec(name)?.[1] ?? 0))) + 1;
  const adopted: string[] = [];
  for (const name of names) {
    const target = `part-${String(next++).padStart(5, '0')}.arrow`;
    await rename(join(work.dataset, name), join(dir, target));
    adopted.push(target);
  }
  await syncPath(dir);
  return adopted;
}

async function addRows(
  log: Log,
  options: EncodeOptions,
  old: DatasetDescription,
  known: FeatureMap,
  work: WorkFolder,
): Promise<EncodedDataset> {
  const { outDir: dir, split } = options;
  const config = readingConfig(options);
  const resources = resourcesOf(options, work.temporary);
  const encoded = await encodeLog({
    ...options,
    log,
    config,
    split,
    optionalRoles: false,
    features: split === 'train' ? known : (options.featureMap ?? known),
    extend: split === 'train',
    firstCodes: nextCodes(dir, resources.addon),
    folder: work.dataset,
    resources,
  });
  const rejects = join(work.temporary, REJECTS_FILE);
  await checkResult(encoded, log, options, rejects);
  const { result, features } = encoded;
  const names = await adopt(
    dir,
    work,
    old,
    result.files.map(({ name }) => name),
  );
  const sources = [...old.sources, ...sourcesOf(log, options)];
  const reading = { split, optionalRoles: false };
  const description = describeAppended(old, {
    source: sourceFingerprint(datasetSettings(config, reading), reading, sources, options.featureMap),
    sources,
    features,
    result,
    files: result.files.map((file, i) => ({ ...file, name: names[i] ?? file.name, batches: [...file.batches] })),
  });
  // A larger vocabulary fits the old description too: it says how many of the values its rows know.
  await writeFeatureMap(join(dir, FEATURES_FILE), features);
  await writeDescription(dir, description);
  await appendFile(join(dir, REJECTS_FILE), await readFile(rejects));
  return asEncoded(dir, description, features, false);
}

/**
 * Encodes the files of a source that the dataset in `outDir` does not list yet and adds them to it. New values are
 * appended to the vocabularies of a training split, as far as their tables have room. Until dataset.json is renamed the
 * dataset is the old one. Without new files nothing is done.
 *
 * @throws PrerankError DATA_NOT_FOUND without a dataset in the folder; CONFIG_INVALID when the settings differ, or the
 * source is SQL; DATASET_CHANGED when a file that the dataset lists changed; what `encodeDataset` throws.
 */
export async function appendToDataset(options: EncodeOptions): Promise<EncodedDataset> {
  const { outDir: dir, split } = options;
  const source = sourceOf(options);
  const description = readDescription(dir);
  if (!('length' in source)) {
    throw new PrerankError('CONFIG_INVALID', `data.${split}: SQL does not tell new rows from old ones; append files`, {
      path: `data.${split}`,
    });
  }
  const reading = { split, optionalRoles: false };
  checkSettings(dir, datasetSettings(readingConfig(options), reading), description);
  const known = readFeatures(dir, description);
  const fresh = newFiles(dir, await listSource(source), description);
  if (fresh.length === 0) return asEncoded(dir, description, known, true);
  const work = WorkFolder.create(dir);
  try {
    const limits = { memoryBytes: options.memoryBytes ?? DEFAULT_MEMORY_BYTES, temporary: work.temporary };
    const log = await Log.open(
      fresh.map(({ path }) => path),
      { limits, signal: options.signal },
    );
    try {
      return await addRows(log, options, description, known, work);
    } catch (error) {
      throw dataError(error, log.name);
    } finally {
      log.close();
    }
  } finally {
    work.remove();
  }
}
