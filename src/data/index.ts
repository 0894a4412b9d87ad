/**
 * prerank/data: logs to datasets, and datasets opened without a copy.
 *
 * `ingest` encodes logs (files, SQL, or record batches of your own script) into a dataset folder; `openDataset` maps one
 * and gives its rows as apache-arrow batches.
 */
export { Dataset, openDataset } from './dataset.js';
export type { DatasetDescription, FeatureSummary, IngestSummary } from './dataset-file.js';
export type { EncodedDataset } from './encode.js';
export type { EncodingPhase } from './encode-log.js';
export type { DenseFeature, Feature, FeatureMap, IdFeature, IdMapping, Table } from './features.js';
export {
  type IngestedDatasets,
  type IngestOptions,
  type IngestProgress,
  type IngestSource,
  ingest,
  type Split,
} from './ingest.js';
export { type InspectedColumn, type InspectedFile, inspectFile } from './inspect.js';
export {
  type InspectedDataset,
  type InspectedFeature,
  type InspectedIngest,
  inspectDataset,
} from './inspect-dataset.js';
export type { RecordBatches } from './record-spool.js';
