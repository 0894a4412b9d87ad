/** A small log with learnable structure, its configuration, and the command line run on it in a child process. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { DuckDBInstance } from '@duckdb/node-api';
import type { ConfigInput } from '../../src/config/schema.js';

const MAIN = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'src', 'cli', 'main.js');

/** Runs SQL in an empty database. */
export async function duckdb(sql: string): Promise<unknown[][]> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    return (await connection.runAndReadAll(sql)).getRows();
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/**
 * One row: click depends on user u and ad a (their parities) and on x; requests hold 8 rows; hash() draws, so that
 * every machine makes the same log.
 */
function rowsSql(rows: number, salt: number): string {
  const uniform = (name: string): string => `(hash(i, '${name}', ${salt}) % 1000003)::DOUBLE / 1000003`;
  return `
    WITH base AS (
      SELECT i, i // 8 AS request_id, ((i // 8) * 7919 % 50)::INTEGER AS user_id,
             (hash(i, 'ad', ${salt}) % 40)::INTEGER AS ad_id, ${uniform('x')} * 2 - 1 AS x,
             ${uniform('click')} AS u, (hash(i, 'shown', ${salt}) % 4 <> 0)::INTEGER AS shown
      FROM range(${rows}) t(i)
    ), scored AS (
      SELECT *, 1 / (1 + exp(-(1.5 * x + CASE WHEN (user_id + ad_id) % 2 = 0 THEN 1.2 ELSE -1.2 END - 0.5))) AS p
      FROM base
    )
    SELECT request_id, 'u' || user_id AS user_id, ad_id, x, shown, i AS ts,
           CASE WHEN shown = 1 THEN (u < p)::INTEGER END AS click,
           p AS ectr, (ad_id % 5) * 0.5 - 1 + 0.2 * x AS cqs, 1 + (ad_id % 3) AS bid,
           (1 + (ad_id % 3)) * p + (ad_id % 5) * 0.5 - 1 + 0.2 * x AS total_value,
           [ad_id % 7, user_id % 7] AS topics
    FROM scored ORDER BY i`;
}

/** Writes train.parquet and eval.parquet into a folder. */
export async function writeLogs(folder: string, rows = { train: 4096, eval: 1024 }): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [i, part] of (['train', 'eval'] as const).entries()) {
    const file = join(folder, `${part}.parquet`).replaceAll("'", "''");
    await duckdb(`COPY (${rowsSql(rows[part], i)}) TO '${file}' (FORMAT parquet)`);
  }
}

/** The early-stage model on the logs of `writeLogs`. */
export function sampleConfig(folder: string): ConfigInput {
  return {
    name: 'sample',
    data: {
      train: join(folder, 'train.parquet'),
      eval: join(folder, 'eval.parquet'),
      columns: {
        request: 'request_id',
        user: 'user_id',
        ad: 'ad_id',
        impression: 'shown',
        click: 'click',
        finalCtr: 'ectr',
        cqs: 'cqs',
        bid: 'bid',
        finalTotalValue: 'total_value',
        time: 'ts',
      },
      shuffle: 'full',
      features: {
        user: [
          { name: 'user_id', kind: 'categorical' },
          { name: 'x', kind: 'dense' },
        ],
        ad: [
          { name: 'ad_id', kind: 'categorical' },
          { name: 'topics', kind: 'multi', pooling: 'mean' },
        ],
      },
    },
    model: {
      kind: 'two-tower',
      embeddingDim: 8,
      bottom: [8],
      tower: { hidden: [16], out: 8, dropout: 0.1 },
      heads: { hidden: [8] },
    },
    tasks: { ctr: { weight: 1 }, cqs: { weight: 1.5 }, teacher: { weight: 2 } },
    training: {
      batchSize: 128,
      epochs: 4,
      reportEverySteps: 16,
      checkpointEverySteps: 32,
      sparseOptimizer: { kind: 'rowwise-adagrad', lr: 0.1 },
      denseOptimizer: { kind: 'adam', lr: 0.005 },
      seed: 3,
      threads: 2,
    },
    evaluation: { k: 3 },
  };
}

/** Writes a configuration as a file (JSON is YAML) and returns its path. */
export async function writeConfig(folder: string, config: ConfigInput): Promise<string> {
  const path = join(folder, 'config.yaml');
  await writeFile(path, JSON.stringify(config, null, 2));
  return path;
}

export interface CliResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `prerank` to its end. */
export function prerank(...args: readonly string[]): CliResult {
  return prerankWith({}, ...args);
}

/** As `prerank`, with further environment variables. */
export function prerankWith(environment: Readonly<Record<string, string>>, ...args: readonly string[]): CliResult {
  const env = { ...process.env, ...environment };
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', env });
  return { status, stdout, stderr };
}

let evaluations = 0;

/**
 * Runs `prerank` in this process: its entry module is evaluated anew with the arguments, and what it prints is caught.
 * It saves the start of a process where that is not the subject. One call at a time.
 */
export async function runPrerank(...args: readonly string[]): Promise<CliResult> {
  const { argv, exitCode, stdout, stderr } = process;
  const text = { stdout: '', stderr: '' };
  const write = { stdout: stdout.write, stderr: stderr.write };
  const caught = (stream: keyof typeof text) =>
    ((piece: string | Uint8Array): boolean => {
      text[stream] += typeof piece === 'string' ? piece : Buffer.from(piece).toString('utf8');
      return true;
    }) as typeof stdout.write;
  stdout.write = caught('stdout');
  stderr.write = caught('stderr');
  process.argv = [process.execPath, MAIN, ...args];
  process.exitCode = undefined;
  try {
    await import(`${pathToFileURL(MAIN).href}?evaluation=${evaluations++}`);
    return { status: Number(process.exitCode), ...text };
  } finally {
    Object.assign(process, { argv, exitCode });
    stdout.write = write.stdout;
    stderr.write = write.stderr;
  }
}

/** Runs `prerank` with a limit on the size of every file it writes (RLIMIT_FSIZE), in units of 512 bytes. */
export function prerankLimited(blocks: number, ...args: readonly string[]): CliResult {
  const command = ['-c', `ulimit -f ${blocks} && exec "$@"`, 'sh', process.execPath, MAIN, ...args];
  const { status, stdout, stderr } = spawnSync('sh', command, { encoding: 'utf8' });
  return { status, stdout, stderr };
}

/** Starts `prerank`; the result resolves when it exits. */
export function startPrerank(...args: readonly string[]): {
  readonly child: ChildProcess;
  readonly exit: Promise<CliResult>;
} {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const text = { stdout: '', stderr: '' };
  child.stdout.on('data', (piece) => {
    text.stdout += String(piece);
  });
  child.stderr.on('data', (piece) => {
    text.stderr += String(piece);
  });
  const exit = new Promise<CliResult>((resolve) => {
    child.on('close', (status) => resolve({ status, ...text }));
  });
  return { child, exit };
}
