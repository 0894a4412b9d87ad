/** Small logs in every format, and encoded files read back without the code under test. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { tableFromIPC } from 'apache-arrow';
import type { ErrorCode } from '../../../src/base/errors.js';
import { PrerankError } from '../../../src/base/errors.js';
import { loadConfig } from '../../../src/config/load.js';
import type { ConfigInput } from '../../../src/config/schema.js';
import type { ResolvedConfig } from '../../../src/config/types.js';
import { type EncodedDataset, type EncodeOptions, encodeDataset } from '../../../src/data/encode.js';

export function temporaryFolder(): { readonly path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'prerank-data-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export async function sql(query: string): Promise<Record<string, unknown>[]> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    const reader = await connection.runAndReadAll(query);
    return reader.getRowObjectsJS() as Record<string, unknown>[];
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** Writes a query's rows; the extension chooses the format (.parquet, .csv, .json). */
export async function writeLog(path: string, query: string, options = ''): Promise<string> {
  await sql(`COPY (${query}) TO '${path}' ${options}`);
  return path;
}

export type DataInput = ConfigInput['data'];

/** A dlrm configuration over `data`, with a task on `click` when that is a role or column. */
export function configOf(data: DataInput, tasks: ConfigInput['tasks'] = { click: { label: 'click' } }): ResolvedConfig {
  return loadConfig({ data, model: { kind: 'dlrm' }, tasks });
}

export function encode(
  config: ResolvedConfig,
  outDir: string,
  more: Partial<EncodeOptions> = {},
): Promise<EncodedDataset> {
  return encodeDataset({ config, split: 'train', outDir, ...more });
}

/** Columns of an encoded dataset as plain arrays; lists as arrays of arrays. */
export function readColumns(dir: string): Record<string, unknown[]> {
  const columns: Record<string, unknown[]> = {};
  for (const name of readdirSync(dir)
    .filter((file) => file.endsWith('.arrow'))
    .sort()) {
    const table = tableFromIPC(readFileSync(join(dir, name)));
    for (const field of table.schema.fields) {
      const values = (table.getChild(field.name)?.data ?? []).flatMap((data): unknown[] => {
        const { valueOffsets, children } = data;
        const [child] = children;
        if (!child) return [...(data.values as Float32Array).subarray(0, data.length)];
        return Array.from({ length: data.length }, (_, i) => [
          ...(child.values as Float32Array).subarray(valueOffsets[i], valueOffsets[i + 1]),
        ]);
      });
      columns[field.name] = [...(columns[field.name] ?? []), ...values];
    }
  }
  return columns;
}

/** A predicate for assert.rejects: a PrerankError of the code whose message matches every pattern. */
export function prerankError(code: ErrorCode, ...patterns: RegExp[]): (error: unknown) => boolean {
  return (error) => {
    if (!(error instanceof PrerankError)) throw error;
    if (error.code !== code) throw new Error(`expected ${code}, got ${error.code}: ${error.message}`);
    for (const pattern of patterns) {
      if (!pattern.test(error.message)) throw new Error(`expected ${pattern}, got: ${error.message}`);
    }
    return true;
  };
}
