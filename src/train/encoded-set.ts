/** Encoded datasets as training, evaluation and prediction open them. */
import { canonicalJson, differences } from '../base/compare.js';
import { PrerankError } from '../base/errors.js';
import { datasetOf } from '../config/dataset-source.js';
import type { ResolvedConfig, SourceConfig } from '../config/types.js';
import { Dataset } from '../data/dataset.js';
import { datasetSettings } from '../data/dataset-settings.js';
import { encodeDataset } from '../data/encode.js';
import type { EncodingProgress } from '../data/encode-log.js';
import { type FeatureMap, type IdMapping, type Table, tableRows } from '../data/features.js';
import type { Addon } from '../runtime/native.js';

export type EncodedSet = Dataset;

export interface EncodeRequest {
  readonly config: ResolvedConfig;
  readonly split: 'train' | 'eval';
  /** Folder of the encoded files. */
  readonly folder: string;
  /** Of the training split; needed for eval. */
  readonly features?: FeatureMap;
  /** Another log than the configuration names. */
  readonly source?: SourceConfig;
  /** Leave out roles that the log does not have. */
  readonly optionalRoles?: boolean;
  readonly onProgress?: (progress: EncodingProgress) => void;
}

/**
 * Encodes a log, or takes what the folder holds of the same log, and opens it. A source that is a dataset folder is
 * opened where it is.
 * @throws PrerankError CONFIG_INVALID when a dataset folder was made with other columns or features than the
 * configuration's; what encoding and opening may throw.
 */
export async function openSet(addon: Addon, request: EncodeRequest): Promise<EncodedSet> {
  const { config, split, folder, features, source, optionalRoles, onProgress } = request;
  const dataset = optionalRoles ? undefined : datasetOf(source ?? config.data[split], split);
  if (dataset !== undefined) return openFolder(addon, dataset, request);
  const encoded = await encodeDataset({
    config,
    split,
    outDir: folder,
    featureMap: features,
    source,
    optionalRoles,
    onProgress,
  });
  return Dataset.open(encoded.dir, addon);
}

function openFolder(addon: Addon, folder: string, { config, split, features }: EncodeRequest): EncodedSet {
  return Dataset.open(folder, addon, (map, description) => {
    const path = `data.${split}`;
    const changes = settingsChanges(description.config, datasetSettings(config, { split, optionalRoles: false }));
    if (changes.length > 0) {
      throw new PrerankError(
        'CONFIG_INVALID',
        `${path}: the dataset ${folder} was made with other settings (${changes.join('; ')}). Leave out data.columns and data.features to take the dataset's, or ingest the log again`,
        { path, file: folder },
      );
    }
    const own = withDimensions(map, config);
    if (features === undefined) return own;
    const reason = incompatibility(map, features);
    if (reason === undefined) return features;
    throw new PrerankError(
      'CONFIG_INVALID',
      `${path}: the dataset ${folder} was encoded with another feature map than the training data's (${reason}). Ingest both splits together`,
      { path, file: folder },
    );
  });
}

/** Settings that a configuration for training may leave out when it names a dataset. */
const OPTIONAL = ['split', 'augmentation', 'sampling'];

type Settings = Readonly<Record<string, unknown>>;

/** Differences of what decides the encoded values; the tables' dimensions do not. */
function settingsChanges(stored: Settings, wanted: Settings): string[] {
  const named = ['columns', 'features', ...OPTIONAL.filter((name) => wanted[name] !== undefined)];
  const pick = (settings: Settings): unknown =>
    withoutDim(Object.fromEntries(named.map((name) => [name, settings[name]])));
  return differences(pick(stored), pick(wanted));
}

/** A plain value without its members called `dim`. */
function withoutDim(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, member: unknown) => (key === 'dim' ? undefined : member)));
}

/** The map with the dimensions that the configuration gives the tables. */
function withDimensions(map: FeatureMap, config: ResolvedConfig): FeatureMap {
  const dims = new Map<string, number>();
  for (const feature of Object.values(config.data.features).flat()) {
    if (feature.kind !== 'dense') dims.set(feature.table, feature.dim);
  }
  const tables = map.tables.map((table): Table => ({ ...table, dim: dims.get(table.name) ?? table.dim }));
  return { ...map, tables };
}

/** Why rows encoded with `encoded` mean something else under `features`, or undefined. New values may be added. */
function incompatibility(encoded: FeatureMap, features: FeatureMap): string | undefined {
  if (canonicalJson(encoded.features) !== canonicalJson(features.features))
    return 'features or their statistics differ';
  const tables = new Map(features.tables.map(({ name, mapping }) => [name, mapping]));
  const other = encoded.tables.find(({ name, mapping }) => !extendsMapping(mapping, tables.get(name)));
  return other === undefined ? undefined : `the rows of table "${other.name}" stand for other values`;
}

function extendsMapping(encoded: IdMapping, mapping: IdMapping | undefined): boolean {
  if (encoded.kind === 'hash' || mapping === undefined || mapping.kind === 'hash') {
    return canonicalJson(encoded) === canonicalJson(mapping);
  }
  return (
    encoded.valueType === mapping.valueType &&
    tableRows(encoded) <= tableRows(mapping) &&
    encoded.values.every((value, i) => value === mapping.values[i])
  );
}
