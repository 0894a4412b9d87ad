/** Scores a log with a run's model: any log in, Parquet out, rows in the order of the input. */
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DOUBLE, DuckDBDataChunk } from '@duckdb/node-api';
import { totalValues } from '../auction/total-value.js';
import { PrerankError } from '../base/errors.js';
import { syncPath } from '../base/files.js';
import type { ColumnsConfig, ResolvedConfig, SourceConfig } from '../config/types.js';
import { dataError, identifier, literal } from '../data/duckdb.js';
import { ROLE_COLUMNS } from '../data/features.js';
import { Log } from '../data/log.js';
import { chainScores } from './chain-scores.js';
import { type EncodedSet, openSet } from './encoded-set.js';
import { type Predictions, readPredictions } from './predictor.js';
import { createPredictor, type Run } from './run.js';
import { totalValueInputs } from './total-value.js';
import { readingAll } from './whole-log.js';

export interface PredictOptions {
  readonly input: SourceConfig;
  /** Parquet file to write. */
  readonly output: string;
}

export interface PredictResult {
  readonly output: string;
  readonly rows: number;
  readonly columns: readonly string[];
}

const ID_ROLES = ['request', 'ad', 'user'] as const;
const TOTAL_VALUE_ROLES = ['bid', 'objective', 'earlyCvr', 'earlyVtr'] as const;
const CHUNK_ROWS = 2048;

/**
 * Writes the log's ids (request, ad, user, where it has them) and a column for each task's prediction: a probability,
 * or a value in the label's own units; `t1` and `t2` of a model of the whole chain; and `totalValue` when the log has bids and the model predicts CTR (null where an
 * input of it is). Where the rows of each request follow each other and its user and context features are constant, the user
 * side is computed once a request.
 */
export async function predict(run: Run, options: PredictOptions): Promise<PredictResult> {
  const folder = await mkdtemp(join(tmpdir(), 'prerank-predict-'));
  try {
    const { addon, features } = run;
    const source = options.input;
    const config = predictionConfig(run.config, await hasRequestsTogether(run, source));
    const set = await openSet(addon, {
      config,
      split: 'eval',
      folder,
      features,
      source,
      optionalRoles: true,
    });
    try {
      const predictions = await createPredictor(run, set.rows).predict(set);
      return await writePredictions(run, set, predictedColumns(run, set, predictions), options);
    } finally {
      set.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Whether the rows of each request follow each other: then the dataset may have requests, and the user side is computed once
 * for each. Scattered requests would be sorted, and the rows leave the order of the log.
 */
async function hasRequestsTogether(run: Run, source: SourceConfig): Promise<boolean> {
  const { request } = run.config.data.columns;
  if (request === undefined) return false;
  const log = await Log.open(source);
  try {
    if (!log.has(request)) return false;
    const column = identifier(request);
    const [[without, runs, requests] = []] = await log.database.rows(
      `SELECT count(*) FILTER (${column} IS NULL), count(*) FILTER (starts), count(DISTINCT ${column}) FROM ` +
        `(SELECT ${column}, ${column} IS DISTINCT FROM lag(${column}) OVER () AS starts FROM ${log.relation})`,
    );
    return Number(without) === 0 && Number(runs) === Number(requests);
  } catch (error) {
    throw dataError(error, log.name);
  } finally {
    log.close();
  }
}

/** The configuration for reading a log that has no labels: every row is kept, or the first bad one is an error. */
function predictionConfig(config: ResolvedConfig, withRequests: boolean): ResolvedConfig {
  const whole = readingAll(config);
  const { data } = whole;
  const names = [...TOTAL_VALUE_ROLES, ...(withRequests ? (['request'] as const) : [])];
  const roles = names.flatMap((role) => (data.columns[role] ? [[role, data.columns[role]]] : []));
  return { ...whole, tasks: {}, data: { ...data, columns: Object.fromEntries(roles) as ColumnsConfig } };
}

/** Columns of the output by name, [rows] each. */
type PredictedColumns = ReadonlyMap<string, Float64Array>;

function predictedColumns(run: Run, set: EncodedSet, predictions: Predictions): PredictedColumns {
  const columns = new Map([...predictions].map(([name, prediction]) => [name, readPredictions(prediction)]));
  const scores = chainScores(predictions);
  if (scores !== null) {
    columns.set('t1', scores.t1);
    columns.set('t2', scores.t2);
  }
  const inputs = totalValueInputs(set, predictions);
  if (inputs !== null && set.columns.has(ROLE_COLUMNS.bid.column)) {
    columns.set('totalValue', totalValues(run.config.auction, inputs));
  }
  return columns;
}

async function writePredictions(
  run: Run,
  set: EncodedSet,
  predictions: PredictedColumns,
  { input, output }: PredictOptions,
): Promise<PredictResult> {
  const log = await Log.open(input);
  try {
    const ids = ID_ROLES.flatMap((role) => run.config.data.columns[role] ?? []).filter((column) => log.has(column));
    const columns = [...new Set(ids), ...predictions.keys()];
    if (new Set(columns).size < columns.length) {
      throw new PrerankError('CONFIG_INVALID', `a prediction has the name of an id column (${columns.join(', ')})`);
    }
    await loadPredictions(log, predictions, set.rows);
    const select = columns.map((name) => `${predictions.has(name) ? 'p' : 'l'}.${identifier(name)}`).join(', ');
    await mkdir(dirname(output), { recursive: true });
    const temporary = `${output}.tmp-${process.pid}`;
    await log.database.run(
      `COPY (SELECT ${select} FROM ${log.relation} l POSITIONAL JOIN predictions p) ` +
        `TO ${literal(temporary)} (FORMAT parquet, COMPRESSION zstd)`,
    );
    await syncPath(temporary);
    await rename(temporary, output);
    await syncPath(dirname(output));
    return { output, rows: set.rows, columns };
  } catch (error) {
    throw dataError(error, log.name);
  } finally {
    log.close();
  }
}

/** Creates the table `predictions` in the log's database, in row order; NaN becomes null. */
async function loadPredictions(log: Log, predictions: PredictedColumns, rows: number): Promise<void> {
  const [[count] = []] = await log.database.rows(`SELECT count(*) FROM ${log.relation}`);
  if (Number(count) !== rows) {
    throw new PrerankError('DATASET_CHANGED', `${log.name}: ${count} rows, ${rows} when it was encoded; run it again`);
  }
  const names = [...predictions.keys()];
  const columns = names.map((name) => `${identifier(name)} DOUBLE`).join(', ');
  await log.database.run(`CREATE TEMP TABLE predictions (${columns})`);
  const appender = await log.database.connection.createAppender('predictions');
  const types = names.map(() => DOUBLE);
  const values = [...predictions.values()];
  for (let from = 0; from < rows; from += CHUNK_ROWS) {
    const to = Math.min(rows, from + CHUNK_ROWS);
    const chunk = DuckDBDataChunk.create(types);
    chunk.setColumns(
      values.map((column) => Array.from(column.subarray(from, to), (v) => (Number.isNaN(v) ? null : v))),
    );
    appender.appendDataChunk(chunk);
  }
  appender.closeSync();
}
