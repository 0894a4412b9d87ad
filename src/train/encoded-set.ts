/** Encoded datasets as training, evaluation and prediction open them. */
import type { ResolvedConfig, SourceConfig } from '../config/types.js';
import { type Dataset, openEncoded } from '../data/dataset.js';
import { encodeDataset } from '../data/encode.js';
import type { FeatureMap } from '../data/features.js';
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
}

/** Encodes a log, or takes what the folder holds of the same log, and opens it. */
export async function openSet(addon: Addon, request: EncodeRequest): Promise<EncodedSet> {
  const { config, split, folder, features, source, optionalRoles } = request;
  const encoded = await encodeDataset({
    config,
    split,
    outDir: folder,
    featureMap: features,
    hasher: addon,
    source,
    optionalRoles,
  });
  return openEncoded(encoded.dir, addon);
}
