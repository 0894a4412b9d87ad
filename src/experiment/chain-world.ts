/**
 * The system that pre-ranking models are compared in on whole candidate lists (reproduction.md §4): of 200 candidates 30 go on and 10 are shown, about 3 % of
 * those are clicked. Models see 22 ids: six fields of the user, six of the ad, and ten that cross them. A sample of the log keeps
 * all clicks, two in five of the other exposed candidates, and as many of those that were not, which gives the shares of the paper's log:
 * 3, 47 and 51 %.
 */
import type { SimulationConfig, SimulationInput } from '../cascade/config.js';
import type { ConfigInput } from '../config/schema.js';

export function chainWorld(): SimulationInput {
  return {
    world: { users: 2000, click: { base: -5.7 } },
    retrieval: { drawn: 2 },
    cascade: { retrieved: 200, passed: 30, shown: 10 },
    requests: { train: 12_000, eval: 1, replay: 1000 },
    log: { final: 3, early: 2 },
  };
}

/** Shares of the logged rows that are kept, by the furthest stage reached. */
const KEPT = { retrieved: 1, early: 0.72, final: 1, auction: 0.95, impression: 0.4, click: 1, conversion: 1 };

/** Factors with a field of their own; the others are seen through crosses only. */
const OWN_FACTORS = 4;

/** ids of numbers, in steps of 1 / `steps`. */
const binned = (name: string, value: string, steps: number): string =>
  `CAST(round(${steps} * ${value}) AS INTEGER) AS ${name}`;

const factors = (side: string): string[] => Array.from({ length: OWN_FACTORS }, (_, i) => `${side}_f${i}`);

export const USER_FIELDS = ['user_id', 'user_activity', ...factors('user')];
export const AD_FIELDS = ['ad_id', 'ad_popularity', ...factors('ad')];

function crossFields({ world }: SimulationConfig): { readonly name: string; readonly sql: string }[] {
  const products = Array.from({ length: world.factors }, (_, i) => `cross_f${i}`);
  return [
    ...products.map((name, i) => ({ name, sql: binned(name, `user_f${i} * ad_f${i}`, 2) })),
    ...['cross_first', 'cross_second'].map((name) => ({ name: `${name}_id`, sql: binned(`${name}_id`, name, 4) })),
  ];
}

/** Sampled rows to train on, whole candidate lists to be judged on. */
export function chainData(simulation: SimulationConfig, logs: string): ConfigInput['data'] {
  const crosses = crossFields(simulation);
  const numbers = [...USER_FIELDS, ...AD_FIELDS].filter((name) => !name.endsWith('_id'));
  const log = (name: string) => ({
    sql:
      `SELECT * REPLACE (${numbers.map((number) => binned(number, number, 4)).join(', ')}), ` +
      `${crosses.map(({ sql }) => sql).join(', ')} FROM '${name}/*.parquet'`,
    directory: logs,
  });
  const fields = (names: readonly string[]) => names.map((name) => ({ name, kind: 'categorical' as const }));
  return {
    train: log('train'),
    eval: log('replay'),
    columns: {
      request: 'request_id',
      ad: 'ad_id',
      impression: 'shown',
      click: 'click',
      stage: 'stage',
      finalTotalValue: 'total_value',
    },
    sampling: { stages: KEPT },
    shuffle: 'full',
    features: { user: fields(USER_FIELDS), ad: fields(AD_FIELDS), context: fields(crosses.map(({ name }) => name)) },
  };
}

export const BATCH_SIZE = 1000;

/** Sizes are the paper's; batches and rate suit a log of a hundred thousand rows. */
export const CHAIN_TRAINING: NonNullable<ConfigInput['training']> = {
  batchSize: BATCH_SIZE,
  epochs: 4,
  denseOptimizer: { kind: 'adam', lr: 0.003 },
  sparseOptimizer: { kind: 'adam', lr: 0.003 },
  l2: 1e-6,
};

export const EMBEDDING_DIM = 8;
