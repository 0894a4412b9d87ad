/** `dataset.json`: what an encoded dataset holds and what it was made from. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { PrerankError } from '../base/errors.js';
import { writeJsonDurable } from '../base/files.js';
import { FORMAT_VERSION } from './dataset-settings.js';

export const DATASET_FILE = 'dataset.json';
export const FEATURES_FILE = 'features.json';
export const REJECTS_FILE = 'rejects.jsonl';

const count = z.int().nonnegative();
const figure = z.number().nullable();

const counts = {
  rows: count,
  requests: count,
  rejected: count,
  dropped: count,
  sampledOut: count,
  duplicates: count,
};

const summarySchema = z.object({
  name: z.string(),
  kind: z.enum(['dense', 'categorical', 'multi']),
  nulls: count,
  minimum: figure,
  maximum: figure,
  mean: figure,
  deviation: figure,
  skewness: figure,
  ids: count,
  empty: count,
  longest: count,
  distinct: count,
  outOfVocabulary: count,
  topShare: figure,
});

const ingestSchema = z.object({
  ...counts,
  vocabularies: z.array(z.object({ table: z.string(), values: count, added: count, refused: count })),
  features: z.array(summarySchema),
});

const schema = z.object({
  version: z.literal(FORMAT_VERSION),
  fingerprint: z.string(),
  source: z.string().nullable(),
  split: z.enum(['train', 'eval']),
  ...counts,
  columns: z.array(
    z.object({ name: z.string(), type: z.enum(['float32', 'uint32', 'uint8', 'list<uint32>', 'list<float32>']) }),
  ),
  constantInRequest: z.array(z.string()),
  files: z.array(
    z.object({
      name: z.string().regex(/^part-\d+\.arrow$/),
      rows: z.int().positive(),
      bytes: z.int().positive(),
      batches: z.array(
        z.object({ offset: count, bytes: z.int().positive(), rows: z.int().positive(), checksum: z.string() }),
      ),
    }),
  ),
  sources: z.array(z.object({ path: z.string(), size: z.number().optional(), modified: z.number().optional() })),
  config: z.record(z.string(), z.unknown()),
  vocabularies: z.record(z.string(), count),
  ingests: z.array(ingestSchema).min(1),
});

/**
 * `fingerprint` is that of the encoded values, `source` that of the files and settings they came from. `vocabularies`:
 * values of each table that this dataset knows. `ingests`: what each ingest added, the first one first.
 */
export type DatasetDescription = z.output<typeof schema>;

/** Figures of a feature over the rows that one ingest kept; null: not known, or without a value. */
export type FeatureSummary = z.output<typeof summarySchema>;

export type IngestSummary = z.output<typeof ingestSchema>;

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

export function datasetChanged(file: string, reason: string): PrerankError {
  return new PrerankError('DATASET_CHANGED', `${file}: ${reason}. Datasets must not change; encode the log again`, {
    file,
  });
}

/**
 * The path of a file that a description lists.
 * @throws PrerankError DATASET_CHANGED where it is missing or has another size.
 */
export function intactFile(folder: string, { name, bytes }: DatasetDescription['files'][number]): string {
  const path = join(folder, name);
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size !== bytes) throw datasetChanged(path, size === undefined ? 'missing' : `${size} bytes instead of ${bytes}`);
  return path;
}
