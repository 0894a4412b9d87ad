/** A recipe run on files in its publisher's format: what its SQL gives, and a model trained for two steps. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DuckDBInstance } from '@duckdb/node-api';
import { makeVector, Table, tableToIPC } from 'apache-arrow';
import type { Context } from 'mocha';
import { loadConfig } from '../../../src/config/load.js';
import { Log } from '../../../src/data/log.js';
import { FILE_COLUMN, ROW_COLUMN } from '../../../src/data/log-columns.js';
import type { TrainSummary } from '../../../src/train/summary.js';
import { train } from '../../../src/train/train.js';
import { readColumns } from '../../data/support/logs.js';
import { skip } from '../../support/skip.js';

export const RECIPES = fileURLToPath(new URL('../../../../data/recipes', import.meta.url));

export type Row = Record<string, unknown>;

/** The folder of a converted log, or a skipped test where it is absent. */
export function convertedLog(context: Context, name: string): string {
  const shared = process.env.PRERANK_SHARED ?? resolve('../shared');
  const folder = join(shared, 'data', name);
  return existsSync(folder) ? folder : skip(context, `no ${name} in ${shared}`);
}

/** A temporary folder for a publisher's files. */
export class Publication {
  readonly folder = mkdtempSync(join(tmpdir(), 'prerank-recipe-'));

  /** Writes a file, its folders too. */
  write(name: string, content: string | Uint8Array): void {
    const path = join(this.folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }

  /** Lines with their fields joined. */
  table(name: string, separator: string, rows: readonly (readonly unknown[])[]): void {
    this.write(name, rows.map((row) => `${row.join(separator)}\n`).join(''));
  }

  /** Runs SQL whose relative paths start in the folder. */
  async sql(query: string, setting?: string): Promise<Row[]> {
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    try {
      await connection.run(`SET file_search_path = '${this.folder}'`);
      if (setting !== undefined) await connection.run(setting);
      return (await connection.runAndReadAll(query)).getRowObjectsJson() as Row[];
    } finally {
      connection.closeSync();
      instance.closeSync();
    }
  }

  /** Writes a query's rows as lines, their fields joined. Nulls must have been replaced: they leave out the field. */
  async lines(name: string, separator: string, query: string): Promise<void> {
    await this.sql(`COPY (SELECT concat_ws('${separator}', *COLUMNS(*)) FROM (${query}))
      TO '${join(this.folder, name)}' (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x01')`);
  }

  /** Writes columns of integers as a Feather file (version 2). */
  feather(name: string, columns: Readonly<Record<string, readonly number[]>>): void {
    const vectors = Object.entries(columns).map(([column, values]) => [
      column,
      makeVector(BigInt64Array.from(values, BigInt)),
    ]);
    this.write(name, tableToIPC(new Table(Object.fromEntries(vectors)), 'file'));
  }

  /** The rows of a recipe's log, ordered; numbers beyond 32 bits and times come as text. */
  async rows(recipe: string, part: 'train' | 'eval', order: string): Promise<Row[]> {
    const source = loadConfig(join(RECIPES, recipe), { set: [`data.${part}.directory=${this.folder}`] }).data[part];
    const log = await Log.open(source ?? []);
    try {
      const query = `SELECT * EXCLUDE (${FILE_COLUMN}, ${ROW_COLUMN}) FROM ${log.relation} ORDER BY ${order}`;
      return (await log.database.connection.runAndReadAll(query)).getRowObjectsJson() as Row[];
    } finally {
      log.close();
    }
  }

  /** Aggregates over a recipe's log, read by four threads. */
  async figures(recipe: string, part: 'train' | 'eval', aggregates: string): Promise<Row[]> {
    return this.sql(`SELECT ${aggregates} FROM (${logSql(recipe, part)})`, 'SET threads = 4');
  }

  /** Fails unless a recipe's log has the rows of a converted log, in the columns that both have; returns these. */
  async assertSameRows(recipe: string, part: 'train' | 'eval', converted: string): Promise<string[]> {
    const ours = `(${logSql(recipe, part)})`;
    const known = new Set((await this.sql(`DESCRIBE FROM ${ours}`)).map((row) => row.column_name));
    const columns = (await this.sql(`DESCRIBE FROM '${converted}'`)).filter((row) => known.has(row.column_name));
    const values = columns.map(({ column_name: name, column_type: type }) => `CAST("${name}" AS ${type})`).join(', ');
    const [figures] = await this.sql(`
      WITH ours AS MATERIALIZED (SELECT hash(${values}) FROM ${ours}),
        theirs AS MATERIALIZED (SELECT hash(${values}) FROM '${converted}')
      SELECT (SELECT count(*) FROM ours) = (SELECT count(*) FROM theirs) AS sameCount,
        (SELECT count(*)::INTEGER FROM (FROM ours EXCEPT ALL FROM theirs)) AS different`);
    assert.deepEqual(figures, { sameCount: true, different: 0 }, `${recipe}, ${part}`);
    return columns.map((row) => String(row.column_name));
  }

  /**
   * Trains two steps on the files and evaluates. Returns the encoded training log's columns and the numbers of rows
   * that were trained on and evaluated.
   */
  async train(recipe: string): Promise<{ columns: Record<string, unknown[]>; rows: TrainSummary['rows'] }> {
    const out = join(this.folder, 'runs', recipe);
    const set = [
      `data.train.directory=${this.folder}`,
      `data.eval.directory=${this.folder}`,
      'training.batchSize=8',
      'training.epochs=null',
      'training.steps=2',
      'training.threads=1',
    ];
    const { status, rows } = await train(loadConfig(join(RECIPES, recipe), { set }), { out });
    assert.equal(status, 'completed');
    return { columns: readColumns(join(out, 'data', 'train')), rows };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The query of a recipe's log. */
function logSql(recipe: string, part: 'train' | 'eval'): string {
  const source = loadConfig(join(RECIPES, recipe)).data[part];
  assert.ok(source !== undefined && 'sql' in source, `${recipe}: data.${part} is no SQL`);
  return source.sql;
}

/** The named fields of rows. */
export function pick(rows: readonly Row[], ...names: string[]): unknown[][] {
  return rows.map((row) => names.map((name) => row[name]));
}
