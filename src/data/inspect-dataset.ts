/** What a dataset folder holds, as its dataset.json says. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DATASET_FILE, type FeatureSummary, type IngestSummary, intactFile, readDescription } from './dataset-file.js';

export interface InspectedFeature extends FeatureSummary {
  /** Share of the rows with a value; of lists, with an id. */
  readonly coverage: number;
  /** Share of the ids that got row 0; null without ids, and for hashed features. */
  readonly outOfVocabularyRate: number | null;
  /** Mean number of ids in a row; null for numbers. */
  readonly poolingFactor: number | null;
}

export interface InspectedIngest extends Omit<IngestSummary, 'features'> {
  readonly features: readonly InspectedFeature[];
}

export interface InspectedDataset {
  readonly folder: string;
  readonly split: 'train' | 'eval';
  readonly rows: number;
  readonly requests: number;
  readonly bytes: number;
  readonly files: number;
  /** Of the encoded values, and of the files and settings they came from (null: those cannot be told unchanged). */
  readonly fingerprint: string;
  readonly source: string | null;
  readonly sources: readonly string[];
  /** Encoded feature columns that hold the same in all rows of every request. */
  readonly constantInRequest: readonly string[];
  /** The first ingest, then each that added rows. */
  readonly ingests: readonly InspectedIngest[];
}

/** The datasets that a folder is or holds: itself, or its `train` and `eval`. */
export function datasetFolders(path: string): string[] {
  return [path, join(path, 'train'), join(path, 'eval')].filter((folder) => existsSync(join(folder, DATASET_FILE)));
}

const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);

function inspectFeature(feature: FeatureSummary, rows: number): InspectedFeature {
  const { kind, ids, empty, nulls, outOfVocabulary } = feature;
  return {
    ...feature,
    coverage: 1 - ratio(kind === 'multi' ? empty : nulls, rows),
    outOfVocabularyRate: ids === 0 ? null : outOfVocabulary / ids,
    poolingFactor: kind === 'dense' ? null : ratio(ids, rows),
  };
}

/** @throws PrerankError DATA_NOT_FOUND, DATA_INVALID; DATASET_CHANGED where a file is missing or has another size. */
export function inspectDataset(folder: string): InspectedDataset {
  const description = readDescription(folder);
  for (const file of description.files) intactFile(folder, file);
  const { split, rows, requests, files, fingerprint, source, sources, constantInRequest, ingests } = description;
  return {
    folder,
    split,
    rows,
    requests,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    files: files.length,
    fingerprint,
    source,
    sources: sources.map(({ path }) => path),
    constantInRequest,
    ingests: ingests.map((added) => ({
      ...added,
      features: added.features.map((feature) => inspectFeature(feature, added.rows)),
    })),
  };
}
