/** `dataset.json`: what an encoded dataset holds and what it was made from. */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { PrerankError } from '../base/errors.js';
import { writeJsonDurable } from '../base/files.js';
import type { ResolvedConfig } from '../config/types.js';
import type { FeatureMap } from './features.js';
import { rawLabels } from './plan-columns.js';
import type { SourceFile } from './sources.js';

export const DATASET_FILE = 'dataset.json';
export const FEATURES_FILE = 'features.json';
export const REJECTS_FILE = 'rejects.jsonl';

const FORMAT_VERSION = 1;

const schema = z.object({
  version: z.literal(FORMAT_VERSION),
  fingerprint: z.string(),
  rows: z.int().positive(),
  rejected: z.int().nonnegative(),
  dropped: z.int().nonnegative(),
  sampledOut: z.int().nonnegative(),
  columns: z.array(
    z.object({ name: z.string(), type: z.enum(['float32', 'uint32', 'uint8', 'list<uint32>', 'list<float32>']) }),
  ),
  files: z.array(z.object({ name: z.string(), rows: z.int().positive(), bytes: z.int().positive() })),
  sources: z.array(z.object({ path: z.string(), size: z.number().optional(), modified: z.number().optional() })),
});

export type DatasetDescription = z.output<typeof schema>;

/**
 * SHA-256 over everything the encoded bytes depend on: files (path, size, time), columns, features, and the given feature map.
 * Undefined when a source cannot be told unchanged (SQL, remote files): such a dataset is never reused.
 */
export function fingerprint(
  config: ResolvedConfig,
  split: string,
  optionalRoles: boolean,
  files: readonly SourceFile[],
  features: FeatureMap | undefined,
): string | undefined {
  if (files.length === 0 || files.some((file) => file.modified === undefined)) return undefined;
  const { columns, features: specified, augmentation, shuffle, nulls, maxBad } = config.data;
  const content = {
    version: FORMAT_VERSION,
    split,
    optionalRoles,
    files,
    data: { columns, specified, augmentation, ordered: shuffle === 'window', nulls, maxBad },
    seed: augmentation && config.training.seed,
    labels: rawLabels(config),
    features,
  };
  return createHash('sha256').update(JSON.stringify(content)).digest('hex');
}

/** SHA-256 over the bytes of the encoded files, for sources without a fingerprint. */
export async function contentFingerprint(folder: string, names: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const name of names) {
    for await (const block of createReadStream(join(folder, name))) hash.update(block as Buffer);
  }
  return hash.digest('hex');
}

export async function writeDescription(folder: string, description: DatasetDescription): Promise<void> {
  await writeJsonDurable(join(folder, DATASET_FILE), description);
}

/** @throws PrerankError DATA_NOT_FOUND or DATA_INVALID. */
export function readDescription(folder: string): DatasetDescription {
  const path = join(folder, DATASET_FILE);
  if (!existsSync(path)) {
    throw new PrerankError('DATA_NOT_FOUND', `${folder}: no dataset (no ${DATASET_FILE}). Encode the log again`, {
      file: path,
    });
  }
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new PrerankError('DATA_INVALID', `${path}: no JSON. Encode the log again`, { file: path }, { cause });
  }
  const parsed = schema.safeParse(content);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new PrerankError('DATA_INVALID', `${path}: ${issue?.path.join('.')}: ${issue?.message}. Encode the log again`, {
    file: path,
  });
}
