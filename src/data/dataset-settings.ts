/** The settings that an encoded dataset was made with: stored in it, compared, and fingerprinted. */
import { createHash } from 'node:crypto';
import { canonicalJson } from '../base/compare.js';
import type { FeatureConfig, ResolvedConfig } from '../config/types.js';
import type { FeatureMap } from './features.js';
import { derivedLabels, type RawLabel, rawLabels } from './plan-columns.js';
import type { SourceFile } from './sources.js';

/** How a split is read, beside the configuration. */
export interface Reading {
  readonly split: 'train' | 'eval';
  /** Roles and labels that the log lacks are left out. */
  readonly optionalRoles: boolean;
}

/** The data part of a configuration; `columns` and `features` as a configuration may give them. */
export type DatasetSettings = Readonly<Record<string, unknown>>;

/** A feature without its table's dimension where that is the model's: a dataset serves models of any dimension. */
function withoutDefaultDim(feature: FeatureConfig, embeddingDim: number): object {
  if (feature.kind === 'dense' || feature.dim !== embeddingDim) return feature;
  const { dim: _dim, ...rest } = feature;
  return rest;
}

/** What decides the encoded rows, but for the source itself. */
export function datasetSettings(config: ResolvedConfig, reading: Reading): DatasetSettings {
  const { columns, features, augmentation, sampling, split, duplicates, shuffle, nulls, maxBad } = config.data;
  const train = reading.split === 'train';
  const sampled = (train && (augmentation !== undefined || sampling !== undefined)) || split?.by === 'hash';
  const list = (side: keyof typeof features): object[] =>
    features[side].map((feature) => withoutDefaultDim(feature, config.model.embeddingDim));
  const conversions = derivedLabels(config).map(({ column }) => column);
  const settings = {
    columns,
    features: { user: list('user'), ad: list('ad'), context: list('context') },
    split,
    augmentation: train ? augmentation : undefined,
    sampling: train ? sampling : undefined,
    duplicates,
    nulls,
    maxBad,
    seed: sampled ? config.training.seed : undefined,
    chronological: train && shuffle === 'window' && columns.time !== undefined,
    labels: rawLabels(config).map(({ source, probability }: RawLabel) => ({ source, probability })),
    conversionLabels: conversions.length === 0 ? undefined : conversions,
  };
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

/** Changes with the layout of dataset.json and of the encoded columns. */
export const FORMAT_VERSION = 3;

function sha256(content: unknown): string {
  return createHash('sha256').update(canonicalJson(content)).digest('hex');
}

/**
 * SHA-256 over everything the encoded bytes depend on: files (path, size, time), settings, and the given feature map.
 * Null when a source cannot be told unchanged (SQL, remote files, record batches): such a log is read again.
 */
export function sourceFingerprint(
  settings: DatasetSettings,
  reading: Reading,
  files: readonly Pick<SourceFile, 'path' | 'size' | 'modified'>[],
  features: FeatureMap | undefined,
): string | null {
  if (files.length === 0 || files.some((file) => file.modified === undefined)) return null;
  const listed = files.map(({ path, size, modified }) => ({ path, size, modified }));
  return sha256({ version: FORMAT_VERSION, reading, files: listed, settings, features });
}

/** SHA-256 over what the encoded files hold, by their checksums. */
export function contentFingerprint(
  columns: readonly { readonly name: string; readonly type: string }[],
  files: readonly { readonly rows: number; readonly batches: readonly { readonly checksum: string }[] }[],
): string {
  const batches = files.flatMap((file) => file.batches.map(({ checksum }) => checksum));
  return sha256({ version: FORMAT_VERSION, columns, batches });
}
