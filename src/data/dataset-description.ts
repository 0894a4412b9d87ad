/** From the native core's result to dataset.json. */
import type { IngestResult, NativeFeatureSummary } from '../runtime/native.js';
import type { DatasetDescription, FeatureSummary, IngestSummary } from './dataset-file.js';
import { contentFingerprint, type DatasetSettings, FORMAT_VERSION } from './dataset-settings.js';
import type { Feature, FeatureMap } from './features.js';
import { vocabularySize } from './vocabulary.js';

/** JSON has no NaN. */
const figure = (value: number): number | null => (Number.isFinite(value) ? value : null);

function summarise(feature: Feature, native: NativeFeatureSummary | undefined): FeatureSummary[] {
  if (native === undefined) return [];
  const { nulls, ids, empty, longest, distinct, outOfVocabulary } = native;
  return [
    {
      name: feature.name,
      kind: feature.kind,
      nulls,
      minimum: figure(native.minimum),
      maximum: figure(native.maximum),
      mean: figure(native.mean),
      deviation: figure(native.deviation),
      skewness: figure(native.skewness),
      ids,
      empty,
      longest,
      distinct,
      outOfVocabulary,
      topShare: figure(native.topShare),
    },
  ];
}

const countsOf = ({ rows, requests, rejected, dropped, sampledOut, duplicates }: IngestSummary | IngestResult) => ({
  rows,
  requests,
  rejected,
  dropped,
  sampledOut,
  duplicates,
});

/** What one ingest found. */
export function describeIngest(result: IngestResult, features: FeatureMap): IngestSummary {
  const byOutput = new Map(result.features.map((summary) => [summary.output, summary]));
  const vocabularies = features.tables.flatMap(({ name: table, mapping }, i) => {
    const learnt = result.tables[i];
    if (mapping.kind === 'hash' || learnt === undefined) return [];
    return [{ table, values: vocabularySize(mapping), added: learnt.added, refused: learnt.refused }];
  });
  return {
    ...countsOf(result),
    vocabularies,
    features: features.features.flatMap((feature) => summarise(feature, byOutput.get(feature.column))),
  };
}

/** Columns of the features, the weights of lists too, that hold the same in all rows of every request. */
function constantColumns(result: IngestResult, { features }: FeatureMap): string[] {
  const constant = new Set(result.features.filter((of) => of.constantInRequest).map(({ output }) => output));
  return features.flatMap((feature) => {
    if (!constant.has(feature.column)) return [];
    const weights = feature.kind === 'dense' ? undefined : feature.weightsColumn;
    return weights === undefined ? [feature.column] : [feature.column, weights];
  });
}

function vocabulariesOf(features: FeatureMap): Record<string, number> {
  const sizes = features.tables.flatMap(({ name, mapping }) =>
    mapping.kind === 'hash' ? [] : [[name, vocabularySize(mapping)] as const],
  );
  return Object.fromEntries(sizes);
}

export interface NewDataset {
  readonly split: 'train' | 'eval';
  readonly settings: DatasetSettings;
  readonly source: string | null;
  readonly sources: DatasetDescription['sources'];
  readonly features: FeatureMap;
  readonly result: IngestResult;
  readonly columns: DatasetDescription['columns'];
}

/** A dataset of one ingest. */
export function describeNew({
  split,
  settings,
  source,
  sources,
  features,
  result,
  columns,
}: NewDataset): DatasetDescription {
  const files = result.files.map((file) => ({ ...file, batches: [...file.batches] }));
  return {
    version: FORMAT_VERSION,
    fingerprint: contentFingerprint(columns, files),
    source,
    split,
    ...countsOf(result),
    columns,
    constantInRequest: constantColumns(result, features),
    files,
    sources,
    config: settings,
    vocabularies: vocabulariesOf(features),
    ingests: [describeIngest(result, features)],
  };
}

export interface AddedRows {
  readonly source: string | null;
  /** Of all rows. */
  readonly sources: DatasetDescription['sources'];
  readonly features: FeatureMap;
  readonly result: IngestResult;
  /** The result's files under the names they have in the dataset. */
  readonly files: DatasetDescription['files'];
}

/** A dataset with further rows. */
export function describeAppended(old: DatasetDescription, added: AddedRows): DatasetDescription {
  const { result, features, source, sources } = added;
  const files = [...old.files, ...added.files];
  const more = countsOf(result);
  const constant = new Set(constantColumns(result, features));
  return {
    ...old,
    fingerprint: contentFingerprint(old.columns, files),
    source,
    rows: old.rows + more.rows,
    requests: old.requests + more.requests,
    rejected: old.rejected + more.rejected,
    dropped: old.dropped + more.dropped,
    sampledOut: old.sampledOut + more.sampledOut,
    duplicates: old.duplicates + more.duplicates,
    constantInRequest: old.constantInRequest.filter((column) => constant.has(column)),
    files,
    sources,
    vocabularies: vocabulariesOf(features),
    ingests: [...old.ingests, describeIngest(result, features)],
  };
}
