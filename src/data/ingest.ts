/** From logs to a dataset folder that training maps: what `prerank ingest` does. */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { PrerankError } from '../base/errors.js';
import { hasEvaluationData, type ResolvedConfig, type SourceConfig, type SqlSource } from '../config/types.js';
import { appendToDataset } from './append.js';
import { readFeatures } from './dataset-features.js';
import { DATASET_FILE, readDescription } from './dataset-file.js';
import { type EncodedDataset, type EncodeOptions, encodeDataset } from './encode.js';
import type { EncodingProgress } from './encode-log.js';
import type { FeatureMap } from './features.js';
import { isRecordBatches, type RecordBatches, type Spooled, spoolRecordBatches } from './record-spool.js';
import { cleanUp, WorkFolder } from './work-folder.js';

export type Split = 'train' | 'eval';

/**
 * Paths, globs or URLs; SQL whose relative paths start at `directory` (default: the working directory); or apache-arrow
 * record batches, or a table.
 */
export type IngestSource = string | SourceConfig | (Omit<SqlSource, 'directory'> & Partial<SqlSource>) | RecordBatches;

export interface IngestProgress extends EncodingProgress {
  readonly split: Split;
}

export interface IngestOptions {
  /** Folder that gets `train` and `eval`. */
  readonly out: string;
  /** Only this one; default: `train`, and `eval` when the configuration has evaluation data. */
  readonly split?: Split;
  /** Instead of the configuration's log of `split` (default: `train`). */
  readonly source?: IngestSource;
  /** Add the files that the dataset does not list yet, instead of making it anew. */
  readonly append?: boolean;
  /** Bound of the memory used, in bytes; default 2 GiB. */
  readonly memory?: number;
  /** Default: as configured for training. */
  readonly threads?: number;
  readonly onProgress?: (progress: IngestProgress) => void;
  /** Aborting ends the work with CANCELLED and leaves no trace of it. */
  readonly signal?: AbortSignal;
}

export interface IngestedDatasets {
  readonly train: EncodedDataset | null;
  readonly eval: EncodedDataset | null;
}

/** Below this the reader cannot work. */
const LEAST_MEMORY_BYTES = 2 ** 27;

function checkMemory(memory: number | undefined): void {
  if (memory === undefined || memory >= LEAST_MEMORY_BYTES) return;
  throw new PrerankError(
    'INVALID_ARGUMENT',
    `memory: ${memory} bytes are too few; at least ${LEAST_MEMORY_BYTES} (128 MiB)`,
  );
}

function fileSource(source: Exclude<IngestSource, RecordBatches> | readonly string[]): SourceConfig {
  if (typeof source === 'string') return [source];
  return 'sql' in source ? { ...source, directory: source.directory ?? process.cwd() } : source;
}

/** Place of record batches while they are read. */
const BATCHES = 'batches';

class Ingestion {
  private origins: Spooled['origins'] | undefined;

  constructor(
    private config: ResolvedConfig,
    private readonly options: IngestOptions,
  ) {}

  async run(): Promise<IngestedDatasets> {
    const { source, out } = this.options;
    mkdirSync(out, { recursive: true });
    cleanUp(join(out, BATCHES));
    if (!isRecordBatches(source)) {
      if (source !== undefined) this.replaceSource(fileSource(source));
      return this.encodeSplits();
    }
    const work = WorkFolder.create(join(out, BATCHES));
    try {
      const spooled = await spoolRecordBatches(source, work.dataset, this.options.signal);
      this.origins = spooled.origins;
      this.replaceSource(spooled.paths);
      return await this.encodeSplits();
    } finally {
      work.remove();
    }
  }

  private replaceSource(source: SourceConfig): void {
    const { split = 'train' } = this.options;
    const key = split === 'eval' && this.config.data.split === undefined ? 'eval' : 'train';
    this.config = { ...this.config, data: { ...this.config.data, [key]: source } };
  }

  private async encodeSplits(): Promise<IngestedDatasets> {
    const { split } = this.options;
    const train = split === 'eval' ? null : await this.encode('train', undefined);
    const evaluates = split === undefined ? hasEvaluationData(this.config) : split === 'eval';
    if (!evaluates) return { train, eval: null };
    return { train, eval: await this.encode('eval', train?.featureMap ?? this.trainFeatures()) };
  }

  /** The feature map of the training split that is there already. */
  private trainFeatures(): FeatureMap {
    const folder = join(this.options.out, 'train');
    if (existsSync(join(folder, DATASET_FILE))) return readFeatures(folder, readDescription(folder));
    throw new PrerankError(
      'DATA_NOT_FOUND',
      `${folder}: no dataset, whose vocabularies the eval split needs. Ingest the train split first`,
      {
        file: folder,
      },
    );
  }

  private encode(split: Split, featureMap: FeatureMap | undefined): Promise<EncodedDataset> {
    const { out, append, memory, threads, signal, onProgress } = this.options;
    const options: EncodeOptions = {
      config: this.config,
      split,
      featureMap,
      outDir: join(out, split),
      memoryBytes: memory,
      threads,
      signal,
      onProgress: onProgress && ((progress) => onProgress({ ...progress, split })),
      origins: this.origins,
    };
    const extend = append && existsSync(join(options.outDir, DATASET_FILE));
    return extend ? appendToDataset(options) : encodeDataset(options);
  }
}

/**
 * Encodes logs into `out/train` and `out/eval`: Arrow files, dataset.json, features.json and rejects.jsonl. A split that
 * is there already and was made from the same files with the same settings is not read again. A dataset appears whole or
 * not at all: it is made beside its place and renamed.
 *
 * @param config as `loadConfig` gives it; `data.train` may be absent when `source` is given.
 * @throws PrerankError what the log, the configuration and the disk give cause for; CANCELLED.
 */
export async function ingest(config: ResolvedConfig, options: IngestOptions): Promise<IngestedDatasets> {
  checkMemory(options.memory);
  return new Ingestion(config, options).run();
}
