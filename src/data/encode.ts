/** Encodes a split of a log into a dataset: Arrow files that training maps into memory. */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { DuckDBDataChunk } from '@duckdb/node-api';
import { PrerankError } from '../base/errors.js';
import type { ResolvedConfig, SourceConfig } from '../config/types.js';
import type { ColumnType } from '../runtime/native.js';
import { ChunkVector } from './chunk.js';
import {
  contentFingerprint,
  DATASET_FILE,
  type DatasetDescription,
  FEATURES_FILE,
  fingerprint,
  REJECTS_FILE,
  readDescription,
  writeDescription,
} from './dataset-file.js';
import { dataError } from './duckdb.js';
import type { Hasher } from './encoders.js';
import { type EncodingPlan, planEncoding } from './encoding-plan.js';
import { learnFeatureMap, readFeatureMap, writeFeatureMap } from './feature-map.js';
import type { FeatureMap } from './features.js';
import { Log } from './log.js';
import { RejectLog } from './rejects.js';
import { checkRoles } from './rules.js';
import { Verdict } from './verdict.js';
import { DatasetWriter, type WrittenFile } from './writer.js';

export interface EncodeOptions {
  readonly config: ResolvedConfig;
  /** train: learns the feature map unless one is given, draws non-impressions, sorts by time for `shuffle: window`. */
  readonly split: 'train' | 'eval';
  /** The feature map of the training split; required for eval. */
  readonly featureMap?: FeatureMap;
  /** Folder of the dataset; an older dataset in it is replaced unless it is the same. */
  readonly outDir: string;
  /** Hash functions of the addon. */
  readonly hasher: Hasher;
  /** Another log than the configuration names, for example the input of a prediction. */
  readonly source?: SourceConfig;
  /** Leave out roles and labels whose columns the log does not have, instead of failing. */
  readonly optionalRoles?: boolean;
}

export interface EncodedDataset {
  readonly dir: string;
  readonly rows: number;
  /** Rows refused (in rejects.jsonl), left out by a null policy, and not drawn by augmentation. */
  readonly rejected: number;
  readonly dropped: number;
  readonly sampledOut: number;
  readonly columns: readonly { readonly name: string; readonly type: ColumnType }[];
  readonly featureMap: FeatureMap;
  readonly fingerprint: string;
  /** True when the folder held the same dataset already. */
  readonly reused: boolean;
}

function chooseSource({ config, split, source }: EncodeOptions): SourceConfig {
  const chosen = source ?? config.data[split];
  if (chosen) return chosen;
  throw new PrerankError('CONFIG_INVALID', `data.${split}: not given. Name the log to read`, { path: `data.${split}` });
}

function asEncoded(
  dir: string,
  description: DatasetDescription,
  featureMap: FeatureMap,
  reused: boolean,
): EncodedDataset {
  const { rows, rejected, dropped, sampledOut, columns, fingerprint: mark } = description;
  return { dir, rows, rejected, dropped, sampledOut, columns, featureMap, fingerprint: mark, reused };
}

/** The dataset in the folder when it is whole and was made from the same input. */
function existing(dir: string, mark: string | undefined): EncodedDataset | undefined {
  if (mark === undefined || !existsSync(join(dir, DATASET_FILE))) return undefined;
  try {
    const description = readDescription(dir);
    if (description.fingerprint !== mark) return undefined;
    if (description.files.some(({ name }) => !existsSync(join(dir, name)))) return undefined;
    return asEncoded(dir, description, readFeatureMap(join(dir, FEATURES_FILE)), true);
  } catch (error) {
    if (error instanceof PrerankError) return undefined;
    throw error;
  }
}

/** Removes an older dataset, its description first, so that no moment shows half of one. */
function clearDataset(dir: string): void {
  mkdirSync(dir, { recursive: true });
  rmSync(join(dir, DATASET_FILE), { force: true });
  for (const name of readdirSync(dir)) {
    if (/^part-\d+\.arrow$/.test(name) || name === FEATURES_FILE || name === REJECTS_FILE) rmSync(join(dir, name));
  }
}

interface Counts {
  rows: number;
  dropped: number;
  sampledOut: number;
}

/** Judges and encodes one chunk; returns the indices of its kept rows. */
function loadChunk(plan: EncodingPlan, chunk: DuckDBDataChunk, verdict: Verdict, rejects: RejectLog): Int32Array {
  verdict.reset(chunk.rowCount);
  let column = 2;
  for (const encoder of plan.encoders) {
    encoder.load(
      encoder.select.map(() => ChunkVector.of(chunk, column++)),
      verdict,
    );
  }
  checkRoles(plan.roles, verdict);
  if (verdict.rejected > 0) reportRejects(chunk, verdict, rejects);
  return verdict.keptRows();
}

function reportRejects(chunk: DuckDBDataChunk, verdict: Verdict, rejects: RejectLog): void {
  const { bytes, offsets } = ChunkVector.of(chunk, 0).utf8();
  const rows = ChunkVector.of(chunk, 1).float64();
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < verdict.rows; i++) {
    const reason = verdict.reason(i);
    if (reason === undefined) continue;
    rejects.add({ file: text.toString('utf8', offsets[i], offsets[i + 1]), row: (rows[i] ?? 0) + 1, reason });
  }
}

async function appendRows(plan: EncodingPlan, kept: Int32Array, writer: DatasetWriter): Promise<void> {
  for (let from = 0; from < kept.length; ) {
    const to = Math.min(kept.length, from + writer.room);
    for (const encoder of plan.encoders) encoder.append(kept, from, to);
    await writer.added(to - from);
    from = to;
  }
}

async function encodeRows(log: Log, plan: EncodingPlan, writer: DatasetWriter, rejects: RejectLog): Promise<Counts> {
  const counts: Counts = { rows: 0, dropped: 0, sampledOut: 0 };
  const verdict = new Verdict();
  for await (const chunk of log.database.chunks(plan.query)) {
    const kept = loadChunk(plan, chunk, verdict, rejects);
    rejects.check(log.name);
    counts.rows += kept.length;
    counts.dropped += verdict.dropped;
    counts.sampledOut += verdict.sampledOut;
    await appendRows(plan, kept, writer);
  }
  return counts;
}

async function writeDataset(
  log: Log,
  options: EncodeOptions,
  featureMap: FeatureMap,
  mark: string | undefined,
): Promise<DatasetDescription> {
  const { config, outDir, split } = options;
  const train = split === 'train';
  const plan = await planEncoding({
    log,
    config,
    features: featureMap,
    hasher: options.hasher,
    augment: train,
    optionalRoles: options.optionalRoles ?? false,
    chronological: train && config.data.shuffle === 'window',
  });
  const writer = new DatasetWriter(outDir, plan.outputs);
  const rejects = new RejectLog(join(outDir, REJECTS_FILE), config.data.maxBad);
  let counts: Counts;
  let files: WrittenFile[];
  try {
    counts = await encodeRows(log, plan, writer, rejects);
    files = await writer.finish();
  } catch (error) {
    await writer.abort();
    throw error;
  } finally {
    rejects.close();
  }
  if (counts.rows === 0) {
    throw new PrerankError(
      'DATA_EMPTY',
      `${log.name}: no row is left (${rejects.count} rejected, ${counts.dropped} dropped for nulls, ${counts.sampledOut} not drawn)`,
      { file: log.name },
    );
  }
  const content =
    mark === undefined
      ? await contentFingerprint(
          outDir,
          files.map(({ name }) => name),
        )
      : '';
  const sources = log.files.map(({ path, size, modified }) => ({ path, size, modified }));
  const columns = plan.outputs.map(({ name, type }) => ({ name, type }));
  return { version: 1, fingerprint: mark ?? content, ...counts, rejected: rejects.count, columns, files, sources };
}

/**
 * Encodes a split into `outDir`: Arrow files, features.json, rejects.jsonl, and dataset.json, which is written last and whole.
 * A folder that holds the same dataset already is left as it is.
 *
 * @throws PrerankError DATA_NOT_FOUND, DATA_INVALID, DATA_EMPTY, COLUMN_MISSING, COLUMN_TYPE, TOO_MANY_BAD_ROWS.
 */
export async function encodeDataset(options: EncodeOptions): Promise<EncodedDataset> {
  const { config, split, outDir } = options;
  if (split === 'eval' && !options.featureMap) {
    throw new PrerankError('INVALID_ARGUMENT', 'encoding an eval split needs the feature map of the training split');
  }
  const log = await Log.open(chooseSource(options));
  try {
    const mark = fingerprint(config, split, options.optionalRoles ?? false, log.files, options.featureMap);
    const same = existing(outDir, mark);
    if (same) return same;
    const featureMap = options.featureMap ?? (await learnFeatureMap(log, config));
    clearDataset(outDir);
    const description = await writeDataset(log, options, featureMap, mark);
    await writeFeatureMap(join(outDir, FEATURES_FILE), featureMap);
    await writeDescription(outDir, description);
    return asEncoded(outDir, description, featureMap, false);
  } catch (error) {
    throw dataError(error, log.name);
  } finally {
    log.close();
  }
}
