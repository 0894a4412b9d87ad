/** What is measured of a log before it is encoded: order, where parts begin inside a request, moments. */
import type { Addon, IngestSampling, LogPart, LogProfile, ProfileSpec } from '../runtime/native.js';
import { awaitCancellable } from './cancel.js';
import type { DatabaseLimits } from './duckdb.js';
import { literal } from './duckdb.js';
import { duckdbLibrary } from './duckdb-library.js';
import type { Scan } from './scan.js';
import { Selection } from './selection.js';

/** A number whose mean and deviation are wanted. */
export interface MomentColumn {
  /** SQL of a DOUBLE. */
  readonly sql: string;
  /** Take them of sign(x) · log(1 + |x|). */
  readonly log1p: boolean;
}

export interface ProfileRequest {
  readonly request?: string;
  readonly time?: string;
  readonly moments: readonly MomentColumn[];
  /** Moments count the rows on its side only. */
  readonly split: Pick<IngestSampling, 'seed' | 'splitFraction' | 'splitKeepBelow'>;
}

export interface NativeResources extends DatabaseLimits {
  readonly addon: Addon;
  readonly threads: number;
}

/** Scans the columns that `wanted` names. */
export async function profile(
  scan: Scan,
  wanted: ProfileRequest,
  resources: NativeResources,
  signal?: AbortSignal,
): Promise<LogProfile> {
  const selection = new Selection();
  const add = (sql: string | undefined): number | undefined => (sql === undefined ? undefined : selection.add(sql));
  const requestInput = add(wanted.request);
  const timeInput = add(wanted.time);
  const momentInputs = wanted.moments.map(({ sql }) => selection.add(sql));
  const { expressions } = selection;
  const spec: ProfileSpec = {
    source: {
      library: duckdbLibrary(),
      setup: setupStatements(resources),
      parts: scan.parts(expressions),
    },
    rowInput: expressions.length,
    requestInput,
    timeInput,
    momentInputs,
    momentLog1p: wanted.moments.map(({ log1p }) => log1p),
    split: wanted.split,
    threads: resources.threads,
    memoryBytes: resources.memoryBytes,
  };
  return awaitCancellable(resources.addon, signal, (cancellation) => resources.addon.profileLog(spec, cancellation));
}

/** What sets up the databases of native jobs; those limit their memory themselves. */
export function setupStatements({ temporary }: DatabaseLimits): string[] {
  // Every part is a query of its own, twice: each of them would parse its file's metadata, and put the statistics of
  // all its row groups together for an optimizer of joins.
  return [
    `SET temp_directory = ${literal(temporary)}`,
    'SET parquet_metadata_cache = true',
    `SET disabled_optimizers = 'statistics_propagation,join_order'`,
  ];
}

/** The parts with what a profile counted; parts without rows are left out. */
export function profiledParts(parts: readonly LogPart[], { parts: counts }: LogProfile): LogPart[] {
  return parts.flatMap((part, i) => {
    const { rows, headRows } = counts[i] ?? { rows: 0, headRows: 0 };
    return rows === 0 ? [] : [{ ...part, rows, headRows }];
  });
}
