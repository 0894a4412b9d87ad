/** Which files a source means, and of what kind each is. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { PrerankError } from '../base/errors.js';
import type { SourceConfig } from '../config/types.js';
import { Database, literal } from './duckdb.js';

export type FileKind = 'parquet' | 'csv' | 'json' | 'arrow';

const KINDS: readonly (readonly [RegExp, FileKind])[] = [
  [/\.(parquet|pq)$/i, 'parquet'],
  [/\.(csv|tsv)(\.gz|\.zst)?$/i, 'csv'],
  [/\.(json|jsonl|ndjson)(\.gz|\.zst)?$/i, 'json'],
  [/\.(arrow|feather|ipc)$/i, 'arrow'],
];

export const KNOWN_EXTENSIONS = '.parquet, .csv, .tsv, .json, .jsonl, .ndjson, .arrow, .feather, .ipc';

function fileKindOrNone(path: string): FileKind | undefined {
  return KINDS.find(([pattern]) => pattern.test(path))?.[1];
}

/** @throws PrerankError DATA_INVALID when the name's extension is not known. */
export function fileKind(path: string): FileKind {
  const kind = fileKindOrNone(path);
  if (kind) return kind;
  throw new PrerankError('DATA_INVALID', `${path}: unknown kind of file. Known extensions: ${KNOWN_EXTENSIONS}`, {
    file: path,
  });
}

export interface SourceFile {
  readonly path: string;
  readonly kind: FileKind;
  /** Bytes and modification time; absent for remote files. */
  readonly size?: number;
  readonly modified?: number;
  /** Tells a file from another one that took its place. */
  readonly inode?: number;
}

const isRemote = (path: string): boolean => /^[a-z][a-z0-9]+:\/\//i.test(path);

function describeFile(path: string): SourceFile {
  const kind = fileKind(path);
  if (isRemote(path)) return { path, kind };
  const { size, mtimeMs, ino } = statSync(path);
  if (size === 0) {
    throw new PrerankError('DATA_EMPTY', `${path}: the file is empty (0 bytes). Remove it, or write it again`, {
      file: path,
    });
  }
  return { path, kind, size, modified: mtimeMs, inode: ino };
}

async function expand(database: Database, pattern: string): Promise<string[]> {
  if (existsSync(pattern)) {
    if (!statSync(pattern).isDirectory()) return [pattern];
    const files = readdirSync(pattern).filter((name) => fileKindOrNone(name) !== undefined);
    if (files.length > 0) return files.map((name) => join(pattern, name));
    throw new PrerankError('DATA_NOT_FOUND', `${pattern}: the folder holds no log. Known: ${KNOWN_EXTENSIONS}`, {
      file: pattern,
    });
  }
  if (!/[*?[]/.test(pattern)) {
    if (isRemote(pattern)) return [pattern];
    throw new PrerankError('DATA_NOT_FOUND', `${pattern}: no such file. Relative paths start at the config's folder`, {
      file: pattern,
    });
  }
  const rows = await database.rows(`SELECT file FROM glob(${literal(pattern)})`);
  if (rows.length > 0) return rows.map(([file]) => String(file));
  throw new PrerankError('DATA_NOT_FOUND', `${pattern}: no file matches. Relative globs start at the config's folder`, {
    file: pattern,
  });
}

/**
 * The files of a source, sorted by path within each pattern, in the order of the patterns; a file named twice counts once.
 *
 * @throws PrerankError DATA_NOT_FOUND, DATA_EMPTY (a file of 0 bytes), DATA_INVALID (unknown extension).
 */
export async function sourceFiles(database: Database, source: SourceConfig): Promise<SourceFile[]> {
  if (!('length' in source)) return [];
  const paths = new Set<string>();
  for (const pattern of source) {
    const matches = await expand(database, pattern);
    matches.sort((a, b) => (a < b ? -1 : 1));
    for (const path of matches) paths.add(path);
  }
  return [...paths].map(describeFile);
}

/** The files of a source; see `sourceFiles`. */
export async function listSource(source: SourceConfig): Promise<SourceFile[]> {
  const database = await Database.open();
  try {
    return await sourceFiles(database, source);
  } finally {
    database.close();
  }
}

function isUnchanged({ path, size, modified, inode }: SourceFile): boolean {
  if (isRemote(path)) return true;
  const now = statSync(path, { throwIfNoEntry: false });
  return now !== undefined && now.size === size && now.mtimeMs === modified && now.ino === inode;
}

/**
 * Whether local files are still the ones that were listed.
 * @throws PrerankError DATASET_CHANGED naming the first that is not.
 */
export function checkUnchanged(files: readonly SourceFile[], cause?: unknown): void {
  const changed = files.find((file) => !isUnchanged(file));
  if (changed === undefined) return;
  throw new PrerankError(
    'DATASET_CHANGED',
    `${changed.path}: changed while it was read. Ingest it again when nobody writes to it`,
    { file: changed.path },
    { cause },
  );
}
