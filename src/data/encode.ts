/** Encodes a split of a log into a dataset: Arrow files that training maps into memory. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PrerankError } from '../base/errors.js';
import type { ResolvedConfig, SourceConfig } from '../config/types.js';
import { loadAddon } from '../runtime/load.js';
import type { ColumnType, IngestResult } from '../runtime/native.js';
import { describeNew } from './dataset-description.js';
import { readFeatures } from './dataset-features.js';
import {
  DATASET_FILE,
  type DatasetDescription,
  FEATURES_FILE,
  type IngestSummary,
  REJECTS_FILE,
  readDescription,
  writeDescription,
} from './dataset-file.js';
import { datasetSettings, type Reading, sourceFingerprint } from './dataset-settings.js';
import { dataError } from './duckdb.js';
import { type EncodedLog, type EncodingProgress, encodeLog } from './encode-log.js';
import { writeFeatureMap } from './feature-map.js';
import type { FeatureMap } from './features.js';
import { DEFAULT_MEMORY_BYTES, Log } from './log.js';
import type { NativeResources } from './profile.js';
import { type RejectedRow, tooManyRejects, writeRejects } from './rejects.js';
import { WorkFolder } from './work-folder.js';

export interface EncodeOptions {
  readonly config: ResolvedConfig;
  /** train: learns the feature map unless one is given, samples, sorts by time for `shuffle: window`. */
  readonly split: 'train' | 'eval';
  /** The feature map of the training split; required for eval. */
  readonly featureMap?: FeatureMap;
  /** Folder of the dataset; an older dataset in it is replaced unless it is the same. */
  readonly outDir: string;
  /** Another log than the configuration names, for example the input of a prediction: it is read whole. */
  readonly source?: SourceConfig;
  /** Leave out roles and labels whose columns the log does not have, instead of failing. */
  readonly optionalRoles?: boolean;
  /** Bound of the memory used; default 2 GiB. */
  readonly memoryBytes?: number;
  /** Default: as configured for training. */
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: EncodingProgress) => void;
  /** What a file of the source is called in messages, and its first row there: for files that stand for something else. */
  readonly origins?: ReadonlyMap<string, { readonly name: string; readonly firstRow: number }>;
}

export interface EncodedDataset {
  readonly dir: string;
  readonly rows: number;
  readonly requests: number;
  /** Rows refused (in rejects.jsonl), left out by a null policy, not drawn by sampling; rows that repeat request and ad. */
  readonly rejected: number;
  readonly dropped: number;
  readonly sampledOut: number;
  readonly duplicates: number;
  readonly columns: readonly { readonly name: string; readonly type: ColumnType }[];
  readonly featureMap: FeatureMap;
  readonly fingerprint: string;
  /** True when the folder held the same dataset already. */
  readonly reused: boolean;
  /** What the last ingest of the dataset added. */
  readonly summary: IngestSummary;
}

/** Where the rows of a split come from. */
export function sourceOf({ config, split, source }: Pick<EncodeOptions, 'config' | 'split' | 'source'>): SourceConfig {
  const { data } = config;
  const chosen = source ?? (split === 'eval' && data.split === undefined ? data.eval : data.train);
  if (chosen) return chosen;
  throw new PrerankError('CONFIG_INVALID', `data.${split}: not given. Name the log to read`, { path: `data.${split}` });
}

/** A log that is given instead of the configuration's is not split. */
export function readingConfig({ config, source }: Pick<EncodeOptions, 'config' | 'source'>): ResolvedConfig {
  return source === undefined ? config : { ...config, data: { ...config.data, split: undefined } };
}

export function asEncoded(
  dir: string,
  description: DatasetDescription,
  featureMap: FeatureMap,
  reused: boolean,
): EncodedDataset {
  const { rows, requests, rejected, dropped, sampledOut, duplicates, columns, fingerprint } = description;
  const summary = description.ingests.at(-1);
  if (summary === undefined) throw new PrerankError('INTERNAL', `${dir}: a dataset without an ingest`);
  const counts = { rows, requests, rejected, dropped, sampledOut, duplicates };
  return { dir, ...counts, columns, featureMap, fingerprint, reused, summary };
}

/** The dataset in the folder when it is whole and was made from the same input. */
function existing(dir: string, mark: string | null): EncodedDataset | undefined {
  if (mark === null || !existsSync(join(dir, DATASET_FILE))) return undefined;
  try {
    const description = readDescription(dir);
    if (description.source !== mark) return undefined;
    if (description.files.some(({ name }) => !existsSync(join(dir, name)))) return undefined;
    return asEncoded(dir, description, readFeatures(dir, description), true);
  } catch (error) {
    if (error instanceof PrerankError) return undefined;
    throw error;
  }
}

export function resourcesOf(options: EncodeOptions, temporary: string): NativeResources {
  const addon = loadAddon();
  const { threads: configured } = options.config.training;
  const threads = options.threads ?? (configured === 'auto' ? addon.info().cores : configured);
  return { addon, threads, memoryBytes: options.memoryBytes ?? DEFAULT_MEMORY_BYTES, temporary };
}

/** The rows as the caller knows them. */
function namedRejects(result: IngestResult, origins: EncodeOptions['origins']): RejectedRow[] {
  return result.rejects.map((reject) => {
    const origin = origins?.get(reject.file);
    return origin === undefined ? reject : { ...reject, file: origin.name, row: reject.row + origin.firstRow };
  });
}

/**
 * Writes rejects.jsonl of an ingest; when there are too many, beside the dataset's place, since the dataset is not made.
 * @throws PrerankError TOO_MANY_BAD_ROWS, DATA_EMPTY.
 */
export async function checkResult(
  { result }: EncodedLog,
  log: Log,
  options: EncodeOptions,
  rejectsPath: string,
): Promise<void> {
  const rejects = namedRejects(result, options.origins);
  if (result.tooManyBad) {
    const path = `${options.outDir}.${REJECTS_FILE}`;
    await writeRejects(path, rejects);
    const { maxBad: tolerated } = options.config.data;
    throw tooManyRejects(rejects, result.rejected, { source: log.name, tolerated, path });
  }
  if (result.rows === 0) {
    const { rejected, dropped, sampledOut, duplicates } = result;
    throw new PrerankError(
      'DATA_EMPTY',
      `${log.name}: no row is left (${rejected} rejected, ${dropped} dropped for nulls, ${sampledOut} not drawn, ${duplicates} duplicates)`,
      { file: log.name },
    );
  }
  await writeRejects(rejectsPath, rejects);
}

const NO_CODES = { request: 0, user: 0, ad: 0 };

async function makeDataset(
  log: Log,
  options: EncodeOptions,
  reading: Reading,
  work: WorkFolder,
): Promise<EncodedDataset> {
  const { outDir, split } = options;
  const config = readingConfig(options);
  const encoded = await encodeLog({
    ...options,
    log,
    config,
    split,
    optionalRoles: reading.optionalRoles,
    features: options.featureMap,
    extend: false,
    firstCodes: NO_CODES,
    folder: work.dataset,
    resources: resourcesOf(options, work.temporary),
  });
  await checkResult(encoded, log, options, join(work.dataset, REJECTS_FILE));
  const settings = datasetSettings(config, reading);
  const description = describeNew({
    split,
    settings,
    source: sourceFingerprint(settings, reading, log.files, options.featureMap),
    sources: sourcesOf(log, options),
    ...encoded,
  });
  await writeFeatureMap(join(work.dataset, FEATURES_FILE), encoded.features);
  await writeDescription(work.dataset, description);
  await work.publish();
  return asEncoded(outDir, description, encoded.features, false);
}

/** The files of a log as dataset.json lists them. */
export function sourcesOf(log: Log, { origins }: EncodeOptions): DatasetDescription['sources'] {
  const listed = log.files.map(({ path, size, modified }) => {
    const origin = origins?.get(path);
    return origin === undefined ? { path, size, modified } : { path: origin.name };
  });
  return listed.filter(({ path }, i) => listed.findIndex((other) => other.path === path) === i);
}

/**
 * Encodes a split into `outDir`: Arrow files, features.json, rejects.jsonl and dataset.json, made beside it and renamed
 * when they are whole. A folder that holds the same dataset already is left as it is.
 *
 * @throws PrerankError DATA_NOT_FOUND, DATA_INVALID, DATA_EMPTY, COLUMN_MISSING, COLUMN_TYPE, TOO_MANY_BAD_ROWS,
 * IO_ERROR, CANCELLED.
 */
export async function encodeDataset(options: EncodeOptions): Promise<EncodedDataset> {
  const { split, outDir, optionalRoles = false } = options;
  if (split === 'eval' && !options.featureMap) {
    throw new PrerankError('INVALID_ARGUMENT', 'encoding an eval split needs the feature map of the training split');
  }
  const source = sourceOf(options);
  const work = WorkFolder.create(outDir);
  try {
    const { temporary } = work;
    const limits = { memoryBytes: options.memoryBytes ?? DEFAULT_MEMORY_BYTES, temporary };
    const log = await Log.open(source, { limits, signal: options.signal });
    try {
      const reading = { split, optionalRoles };
      const settings = datasetSettings(readingConfig(options), reading);
      const mark = sourceFingerprint(settings, reading, log.files, options.featureMap);
      return existing(outDir, mark) ?? (await makeDataset(log, options, reading, work));
    } catch (error) {
      throw dataError(error, log.name);
    } finally {
      log.close();
    }
  } finally {
    work.remove();
  }
}
