/** Logs to datasets: mirror of `native/addon/ingest_binding` and what it reads. */

/** Consecutive rows of a log: what the queries return, one after the other. Every query selects the same columns. */
export interface LogPart {
  readonly queries: readonly {
    readonly sql: string /** File of the rows; '' with `originInput`. */;
    readonly origin: string;
  }[];
  readonly rows: number;
  /** Leading rows that belong to the last request of the part before. */
  readonly headRows: number;
}

export interface LogSource {
  /** Path of DuckDB's shared library. */
  readonly library: string;
  /** Statements run once in the database, before any query. */
  readonly setup: readonly string[];
  readonly parts: readonly LogPart[];
}

export type IngestNulls = 'default' | 'drop' | 'error';

/** `input`: index among the query's columns. `label`: what messages call it. */
export interface IngestNumber {
  readonly input: number;
  readonly output: string;
  readonly type: 'float32' | 'uint8';
  readonly rule: 'finite' | 'nonNegative' | 'probability' | 'binary' | 'stage' | 'objective';
  readonly nullable: boolean;
  readonly role?: 'impression' | 'ctrTraffic' | 'click' | 'conversion' | 'stage' | 'weight';
  readonly label: string;
}

export interface IngestDense {
  readonly input: number;
  readonly output: string;
  readonly transforms: readonly ('log1p' | 'standardize')[];
  readonly mean: number;
  readonly deviation: number;
  readonly nulls: IngestNulls;
  /** Watched for being the same in all rows of a request. */
  readonly ofRequest: boolean;
  readonly label: string;
  /** Raw column, for rejects. */
  readonly source: string;
}

export interface IngestId {
  readonly input: number;
  readonly output: string;
  /** Index into `tables`. */
  readonly table: number;
  readonly multi: boolean;
  readonly weightsInput?: number;
  readonly weightsOutput?: string;
  readonly nulls: IngestNulls;
  readonly ofRequest: boolean;
  readonly label: string;
  readonly source: string;
}

/** request: 0, 1, … in the order of the dataset; user and ad: by falling count, then value. */
export interface IngestCode {
  readonly input: number;
  readonly output: string;
  readonly role: 'request' | 'user' | 'ad';
  /** Code of the first value, where rows are added to a dataset that has codes below it. */
  readonly first: number;
  readonly label: string;
}

export interface IngestTable {
  readonly name: string;
  readonly type: 'int' | 'string';
  /** Hashed table; 0: vocabulary. */
  readonly buckets: number;
  /** Values learnt before; value i keeps row i + 1. */
  readonly values: readonly string[];
  readonly learn: boolean;
  readonly minFrequency: number;
  /** Most rows, row 0 included; 0: no limit. */
  readonly capacity: number;
}

export interface IngestSampling {
  readonly seed: number;
  readonly augment: boolean;
  readonly pool: 'final' | 'early' | 'mixed';
  /** 0: `rate` counts. */
  readonly perRequest: number;
  readonly rate: number;
  /** By furthest stage, 7 of them; empty: off. */
  readonly stageRates: readonly number[];
  readonly weightByInverseRate: boolean;
  /** Output column of the weight; '' without weightByInverseRate. */
  readonly weightOutput: string;
  /** Below 0: off. */
  readonly splitFraction: number;
  readonly splitKeepBelow: boolean;
}

/** Mirror of prerank/ingest.h, which says what each field means. */
export interface IngestSpec {
  readonly source: LogSource;
  readonly rowInput: number;
  readonly originInput?: number;
  readonly requestInput?: number;
  readonly adInput?: number;
  readonly numbers: readonly IngestNumber[];
  readonly dense: readonly IngestDense[];
  readonly ids: readonly IngestId[];
  readonly codes: readonly IngestCode[];
  readonly tables: readonly IngestTable[];
  readonly outputOrder: readonly string[];
  readonly sampling: IngestSampling;
  readonly duplicates: 'keep' | 'drop' | 'error';
  readonly maxBad: number;
  readonly folder: string;
  readonly threads: number;
  readonly memoryBytes: number;
}

export interface IngestedFile {
  readonly name: string;
  readonly rows: number;
  readonly bytes: number;
  /**
   * Messages of the record batches in the file; `checksum`: xxHash64 of the xxHash64s of a message's blocks of 64 KiB, 16
   * hexadecimal digits.
   */
  readonly batches: readonly {
    readonly offset: number;
    readonly bytes: number;
    readonly rows: number;
    readonly checksum: string;
  }[];
}

export interface NativeFeatureSummary {
  readonly output: string;
  readonly rows: number;
  readonly nulls: number;
  /** Numbers before the transforms; NaN without a value. */
  readonly minimum: number;
  readonly maximum: number;
  readonly mean: number;
  readonly deviation: number;
  readonly skewness: number;
  readonly ids: number;
  readonly empty: number;
  readonly longest: number;
  readonly distinct: number;
  readonly outOfVocabulary: number;
  readonly topShare: number;
  readonly constantInRequest: boolean;
}

export interface IngestResult {
  readonly rows: number;
  readonly requests: number;
  readonly rejected: number;
  readonly dropped: number;
  readonly sampledOut: number;
  readonly duplicates: number;
  /** Stopped above maxBad; the files are not usable. */
  readonly tooManyBad: boolean;
  readonly rejects: readonly {
    readonly file: string;
    readonly row: number;
    readonly column: string;
    readonly value: string;
    readonly reason: string;
  }[];
  readonly files: readonly IngestedFile[];
  /** `values`: how many a vocabulary has; `valuesJson`: an array of them; `added`, `refused`: of the new ones. */
  readonly tables: readonly {
    readonly values: number;
    readonly valuesJson: string;
    readonly added: number;
    readonly refused: number;
  }[];
  /** Of dense, then ids, in the order of the spec. */
  readonly features: readonly NativeFeatureSummary[];
}

/** Stops the calls that it was given to. */
export interface NativeCancellation {
  cancel(): void;
}

export interface NativeIngest {
  /** Once. */
  run(): Promise<IngestResult>;
  cancel(): void;
  progress(): { rowsRead: number; rowsWritten: number; partsDone: number };
}

export interface ProfileSpec {
  readonly source: LogSource;
  readonly rowInput: number;
  readonly requestInput?: number;
  readonly timeInput?: number;
  readonly momentInputs: readonly number[];
  readonly momentLog1p: readonly boolean[];
  /** Moments of the requests on one side of a split only; absent, or splitFraction below 0: of all rows. */
  readonly split?: Pick<IngestSampling, 'seed' | 'splitFraction' | 'splitKeepBelow'>;
  readonly threads: number;
  readonly memoryBytes: number;
}

export interface LogProfile {
  readonly parts: readonly { readonly rows: number; readonly headRows: number }[];
  readonly rows: number;
  readonly requests: number;
  readonly requestsTogether: boolean;
  readonly chronological: boolean;
  readonly moments: readonly { readonly mean: number; readonly deviation: number; readonly count: number }[];
}

/** Arrow IPC files or streams to one Parquet file; mirror of native/arrow/stage.h. */
export interface StageSpec {
  readonly library: string;
  readonly setup: readonly string[];
  readonly paths: readonly string[];
  readonly output: string;
  readonly fileColumn: string;
  readonly rowColumn: string;
  readonly memoryBytes: number;
}
