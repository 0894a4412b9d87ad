/** One log through the native encoder: staged and ordered where that is needed, profiled, encoded. */
import { PrerankError } from '../base/errors.js';
import type { ResolvedConfig } from '../config/types.js';
import { awaitNative, callNative } from '../runtime/errors.js';
import type { IngestResult, IngestSpec, LogPart, LogProfile } from '../runtime/native.js';
import { throwIfCancelled } from './cancel.js';
import { duckdbLibrary } from './duckdb-library.js';
import { draftFeatureMap, type FeatureDraft, withMoments, withVocabularies } from './feature-learning.js';
import { orderedFeatureMap } from './feature-map.js';
import type { FeatureMap } from './features.js';
import { type CodeRole, type IngestPlan, outputColumns, planIngest } from './ingest-plan.js';
import type { Log } from './log.js';
import { timeSql } from './plan-columns.js';
import { type NativeResources, type ProfileRequest, profile, profiledParts, setupStatements } from './profile.js';
import { ParquetScan, type Scan } from './scan.js';
import { Selection } from './selection.js';
import { checkUnchanged } from './sources.js';
import { splitCondition } from './split.js';
import { stageLog, stageSorted } from './staging.js';

export type EncodingPhase = 'staging' | 'scanning' | 'sorting' | 'encoding';

export interface EncodingProgress {
  readonly phase: EncodingPhase;
  readonly rowsRead: number;
  readonly rowsWritten: number;
  /** Rows to read in all; 0 while that is not known. */
  readonly rows: number;
}

export interface LogJob {
  readonly log: Log;
  readonly config: ResolvedConfig;
  readonly split: 'train' | 'eval';
  readonly optionalRoles: boolean;
  /** What is known already; absent: means, deviations and vocabularies are learnt. */
  readonly features?: FeatureMap;
  /** Add values to the vocabularies that are known already. */
  readonly extend: boolean;
  readonly firstCodes: { readonly [role in CodeRole]: number };
  /** Empty folder for the encoded files. */
  readonly folder: string;
  readonly resources: NativeResources;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: EncodingProgress) => void;
}

export interface EncodedLog {
  readonly features: FeatureMap;
  readonly columns: ReturnType<typeof outputColumns>;
  readonly result: IngestResult;
}

/** Expressions that decide the order of the rows. */
interface Order {
  readonly request?: string;
  readonly time?: string;
}

class LogEncoder {
  constructor(private readonly job: LogJob) {}

  async run(): Promise<EncodedLog> {
    const { job } = this;
    const draft = job.features === undefined ? draftFeatureMap(job.log, job.config) : undefined;
    const drafted = draft?.map ?? job.features;
    if (drafted === undefined) throw new PrerankError('INTERNAL', 'neither a feature map nor a draft of one');
    const { parts, hasOriginColumn, moments } = await this.prepare(this.plan(drafted), draft);
    const known = draft === undefined ? drafted : withMoments(draft, moments);
    const plan = this.plan(known);
    const result = await this.encode(plan, parts, hasOriginColumn);
    return {
      features: orderedFeatureMap(withVocabularies(known, result.tables)),
      columns: outputColumns(plan),
      result,
    };
  }

  private plan(features: FeatureMap): IngestPlan {
    const { job } = this;
    return planIngest({ ...job, features, learn: job.extend || job.features === undefined });
  }

  private report(phase: EncodingPhase, rows = 0): void {
    this.job.onProgress?.({ phase, rowsRead: 0, rowsWritten: 0, rows });
  }

  /** The parts to read, in the order of the dataset, and the moments that the draft asks for. */
  private async prepare(
    plan: IngestPlan,
    draft: FeatureDraft | undefined,
  ): Promise<{ parts: LogPart[]; hasOriginColumn: boolean; moments: LogProfile['moments'] }> {
    const { log, config, resources, signal } = this.job;
    const expressions = plan.selection.expressions;
    const wanted = { ...this.order(plan), moments: draft?.moments ?? [], split: plan.sampling };
    const staged = new Selection();
    for (const sql of [...expressions, wanted.request, wanted.time, ...wanted.moments.map(({ sql }) => sql)]) {
      if (sql !== undefined) staged.add(sql);
    }
    const condition = splitCondition(log, config, this.job.split);
    const scan = await this.open(staged, condition);
    if (
      wanted.request === undefined &&
      wanted.time === undefined &&
      wanted.moments.length === 0 &&
      condition === undefined
    ) {
      return { parts: scan.parts(expressions), hasOriginColumn: scan.hasOriginColumn, moments: [] };
    }
    this.report('scanning', scan.rows);
    const found = await profile(scan, wanted, resources, signal);
    const { moments } = found;
    const inOrder =
      (wanted.request === undefined || found.requestsTogether) && (wanted.time === undefined || found.chronological);
    if (inOrder)
      return { parts: profiledParts(scan.parts(expressions), found), hasOriginColumn: scan.hasOriginColumn, moments };
    this.report('sorting', scan.rows);
    const sorted = await stageSorted(log.database, scan, staged, wanted, resources.temporary, signal);
    return { parts: await this.sortedParts(sorted, expressions, wanted), hasOriginColumn: true, moments };
  }

  private async sortedParts(sorted: Scan, expressions: readonly string[], wanted: ProfileRequest): Promise<LogPart[]> {
    const parts = sorted.parts(expressions);
    if (wanted.request === undefined) return parts;
    const { resources, signal } = this.job;
    return profiledParts(parts, await profile(sorted, { ...wanted, time: undefined, moments: [] }, resources, signal));
  }

  private order({ requestInput, selection }: IngestPlan): Order {
    const { log, config, split } = this.job;
    const { columns, shuffle } = config.data;
    const request = requestInput === undefined ? undefined : selection.expressions[requestInput];
    const timed = split === 'train' && shuffle === 'window' && columns.time !== undefined;
    return { request, time: timed ? timeSql(log, columns.time ?? '') : undefined };
  }

  private async open(selection: Selection, condition: string | undefined): Promise<Scan> {
    const { log, resources, signal } = this.job;
    if (log.parquet !== undefined) return ParquetScan.open(log, log.parquet, condition);
    this.report('staging');
    return stageLog(log, selection, condition, resources.temporary, signal);
  }

  private async encode(plan: IngestPlan, parts: readonly LogPart[], hasOriginColumn: boolean): Promise<IngestResult> {
    const { config, folder, resources, signal, onProgress } = this.job;
    const { selection, ...encoders } = plan;
    const rowInput = selection.expressions.length;
    const spec: IngestSpec = {
      ...encoders,
      source: { library: duckdbLibrary(), setup: setupStatements(resources), parts },
      rowInput,
      originInput: hasOriginColumn ? rowInput + 1 : undefined,
      maxBad: config.data.maxBad,
      folder,
      threads: resources.threads,
      memoryBytes: resources.memoryBytes,
    };
    throwIfCancelled(signal);
    const ingest = callNative(() => new resources.addon.Ingest(spec));
    const rows = parts.reduce((sum, part) => sum + part.rows, 0);
    this.report('encoding', rows);
    const report = (): void => {
      const { rowsRead, rowsWritten } = ingest.progress();
      onProgress?.({ phase: 'encoding', rowsRead, rowsWritten, rows });
    };
    const cancel = (): void => ingest.cancel();
    const timer = onProgress && setInterval(report, PROGRESS_INTERVAL_MS);
    signal?.addEventListener('abort', cancel);
    try {
      const result = await awaitNative(() => ingest.run());
      report();
      return result;
    } finally {
      clearInterval(timer);
      signal?.removeEventListener('abort', cancel);
    }
  }
}

const PROGRESS_INTERVAL_MS = 100;

/**
 * Encodes a log's rows of a split into Arrow files.
 * @throws PrerankError COLUMN_MISSING, COLUMN_TYPE, CANCELLED; DATASET_CHANGED when a source changed meanwhile; what the native core and DuckDB say of the data.
 */
export async function encodeLog(job: LogJob): Promise<EncodedLog> {
  try {
    const encoded = await new LogEncoder(job).run();
    checkUnchanged(job.log.read);
    return encoded;
  } catch (error) {
    // What cannot be read may have been whole before.
    if (!job.signal?.aborted) checkUnchanged(job.log.read, error);
    throw error;
  }
}
