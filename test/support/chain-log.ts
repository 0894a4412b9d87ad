/** Logs of whole candidate lists: useful fields that decide exposure and clicks, useless ones beside them. */
import { join } from 'node:path';
import type { ConfigInput } from '../../src/config/schema.js';
import { duckdb } from './sample-run.js';

export interface ChainLog {
  readonly requests: number;
  readonly useful: number;
  readonly useless: number;
}

/** Candidates of a request, and how many of them are exposed. */
export const CANDIDATES = 16;
export const EXPOSED = 4;

const names = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

/** Names of the fields that matter, then of those that do not. */
export function chainFields({ useful, useless }: ChainLog): { readonly useful: string[]; readonly useless: string[] } {
  return { useful: names('f', useful), useless: names('noise', useless) };
}

function rowsSql(log: ChainLog, salt: number): string {
  const { useful, useless } = chainFields(log);
  const uniform = (name: string): string => `((hash(i, '${name}', ${salt}) % 1000003)::DOUBLE / 1000003)`;
  const drawn = [...useful, ...useless].map((name) => `hash(i, '${name}', ${salt}) % 6 AS ${name}`).join(', ');
  const strength = 2 / Math.sqrt(log.useful);
  const affinity = useful.map((name, j) => `CASE WHEN (${name} + ${j}) % 6 < 3 THEN 1 ELSE -1 END`).join(' + ');
  return `
    WITH drawn AS (SELECT i, i // ${CANDIDATES} AS request_id, ${drawn} FROM range(${log.requests * CANDIDATES}) t(i)),
    scored AS (SELECT *, ${strength} * (${affinity}) AS affinity FROM drawn),
    ranked AS (SELECT *, row_number() OVER (PARTITION BY request_id ORDER BY affinity + ${uniform('rank')} DESC) AS place FROM scored),
    shown AS (SELECT *, (place <= ${EXPOSED})::INTEGER AS shown FROM ranked),
    clicked AS (SELECT *, CASE WHEN shown = 1 THEN (${uniform('click')} < 1 / (1 + exp(2.5 - affinity)))::INTEGER END AS click FROM shown)
    SELECT * EXCLUDE (affinity, place), i AS ad_id,
           CASE WHEN click = 1 THEN 'click' WHEN shown = 1 THEN 'impression' WHEN place <= 8 THEN 'early' ELSE 'retrieved' END AS stage
    FROM clicked ORDER BY i`;
}

/** Writes `train.parquet` and `eval.parquet`. */
export async function writeChainLog(folder: string, log: ChainLog): Promise<void> {
  for (const [i, part] of ['train', 'eval'].entries()) {
    await duckdb(`COPY (${rowsSql(log, i)}) TO '${join(folder, `${part}.parquet`)}' (FORMAT parquet)`);
  }
}

/** What all configurations on such a log share. */
export function chainConfig(folder: string, log: ChainLog): Pick<ConfigInput, 'data' | 'training'> {
  const { useful, useless } = chainFields(log);
  return {
    data: {
      train: join(folder, 'train.parquet'),
      eval: join(folder, 'eval.parquet'),
      columns: { request: 'request_id', ad: 'ad_id', impression: 'shown', click: 'click', stage: 'stage' },
      shuffle: 'full',
      features: [...useful, ...useless].map((name) => ({ name, kind: 'categorical' as const })),
    },
    training: {
      batchSize: 256,
      epochs: 8,
      sparseOptimizer: { lr: 0.05 },
      denseOptimizer: { lr: 0.005 },
      threads: 2,
      seed: 3,
    },
  };
}
