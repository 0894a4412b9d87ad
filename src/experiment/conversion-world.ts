/**
 * The system that models of clicks and conversions are compared in (reproduction.md §5): ten ads drawn at random are shown per request, clicks
 * and conversions have the logits of the cascade's world, and about one impression in two hundred converts. Models see
 * ids only: user, ad, and their noisy factors in steps of a quarter.
 */
import type { SimulationConfig, SimulationInput } from '../cascade/config.js';
import type { ConfigInput } from '../config/schema.js';

/** Chances of a click without interest that make three clicks in ten such. */
export const ACCIDENTAL_CLICKS = 0.0238;

export function conversionWorld(accidental = 0): SimulationInput {
  return {
    world: {
      users: 2000,
      ads: 750,
      objectives: { click: 0, postClick: 1, postImpression: 0 },
      click: { accidental },
      conversion: { base: -3 },
    },
    retrieval: { kind: 'random', drawn: 1 },
    early: { kind: 'random' },
    cascade: { retrieved: 10, passed: 10, shown: 10 },
    requests: { train: 20_000, eval: 20_000, replay: 1 },
    log: { final: 0, early: 0 },
  };
}

const STEPS_PER_UNIT = 4;

/** Eighteen fields on the impressions of a folder of logs. */
export function conversionData({ world }: SimulationConfig, logs: string): ConfigInput['data'] {
  const factors = (side: string): string[] => Array.from({ length: world.factors }, (_, i) => `${side}_f${i}`);
  const steps = [...factors('user'), ...factors('ad')].map(
    (name) => `CAST(round(${STEPS_PER_UNIT} * ${name}) AS INTEGER) AS ${name}`,
  );
  const log = (name: string) => ({
    sql: `SELECT * REPLACE (${steps.join(', ')}) FROM '${name}/*.parquet'`,
    directory: logs,
  });
  const fields = (side: string) =>
    [`${side}_id`, ...factors(side)].map((name) => ({ name, kind: 'categorical' as const }));
  return {
    train: log('train'),
    eval: log('eval'),
    columns: { request: 'request_id', impression: 'shown', click: 'click', conversion: 'conversion' },
    shuffle: 'full',
    features: { user: fields('user'), ad: fields('ad') },
  };
}

export const CONVERSION_TASKS: NonNullable<ConfigInput['tasks']> = { ctr: {}, cvr: {}, ctcvr: {} };

/** Widths, dimension and L2 are those of TAML's comparison; batches and rates suit logs a thousandth of its size. */
export const CONVERSION_TRAINING: NonNullable<ConfigInput['training']> = {
  batchSize: 500,
  epochs: 5,
  denseOptimizer: { kind: 'adam', lr: 0.003 },
  sparseOptimizer: { kind: 'adam', lr: 0.003 },
  l2: 1e-6,
};

export const EMBEDDING_DIM = 5;
