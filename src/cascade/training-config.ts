/** The configurations with which `prerank train` trains an early-stage and a final-stage model on simulated logs. */
import { stringify } from 'yaml';
import type { ConfigInput } from '../config/schema.js';
import type { SimulationConfig } from './config.js';
import { SimulatedSystem } from './system.js';

function denseFeatures(system: SimulatedSystem, side: 'user' | 'ad' | 'cross') {
  return system.features
    .filter((feature) => feature.side === side)
    .map(({ name }) => ({ name, kind: 'dense' as const }));
}

/** What the model may use of one side, the id first. */
function features(system: SimulatedSystem, side: 'user' | 'ad') {
  return [{ name: `${side}_id`, kind: 'categorical' as const }, ...denseFeatures(system, side)];
}

/** A system with the same features, events and phases in a world of one user and one ad. */
function smallest(config: SimulationConfig): SimulatedSystem {
  return new SimulatedSystem({ ...config, world: { ...config.world, users: 1, ads: 1 } });
}

function write(content: ConfigInput): string {
  return stringify(content, { lineWidth: 120, aliasDuplicateObjects: false });
}

/**
 * A larger DLRM of user, ad and cross features, on impressions alone: pCTR and the probability of every initial quality event.
 * @returns YAML whose paths start at the folder of the logs.
 */
export function finalTrainingConfig(config: SimulationConfig): string {
  const system = smallest(config);
  const { seed, quality } = config;
  return write({
    name: 'simulated-final',
    data: {
      train: 'train/*.parquet',
      eval: 'eval/*.parquet',
      columns: {
        request: 'request_id',
        user: 'user_id',
        ad: 'ad_id',
        impression: 'shown',
        click: 'click',
        ctrTraffic: 'ctr_traffic',
        time: 'ts',
      },
      features: {
        user: features(system, 'user'),
        ad: features(system, 'ad'),
        context: denseFeatures(system, 'cross'),
      },
    },
    model: { kind: 'dlrm', embeddingDim: 8, bottom: [64, 8], top: { hidden: [256, 128] } },
    tasks: {
      ctr: { weight: 3 },
      ...Object.fromEntries(quality.events.map(({ name }) => [name, { label: name, loss: 'bce' as const, weight: 1 }])),
    },
    training: {
      batchSize: 256,
      epochs: 1,
      sparseOptimizer: { kind: 'rowwise-adagrad', lr: 0.03 },
      denseOptimizer: { kind: 'adam', lr: 0.004 },
      schedule: { kind: 'cosine', finalFraction: 0.1 },
      seed,
    },
  });
}

/** @returns YAML whose paths start at the folder of the logs. */
export function trainingConfig(config: SimulationConfig): string {
  const system = smallest(config);
  const { cascade, auction, seed, requests } = config;
  return write({
    name: 'simulated',
    data: {
      train: 'train/*.parquet',
      eval: 'replay/*.parquet',
      columns: {
        request: 'request_id',
        user: 'user_id',
        ad: 'ad_id',
        impression: 'shown',
        click: 'click',
        conversion: 'conversion',
        stage: 'stage',
        ctrTraffic: 'ctr_traffic',
        finalCtr: 'ectr',
        cqs: 'cqs',
        bid: 'bid',
        objective: 'objective',
        earlyCvr: 'early_cvr',
        earlyVtr: 'early_vtr',
        finalTotalValue: 'total_value',
        time: 'ts',
      },
      augmentation: { pool: 'mixed', perRequest: 4 },
      features: { user: features(system, 'user'), ad: features(system, 'ad') },
    },
    model: {
      kind: 'two-tower',
      embeddingDim: 16,
      tower: { hidden: [64], out: 32 },
      merge: 'concat+hadamard',
      heads: { hidden: [32] },
    },
    tasks: { ctr: { weight: 1 }, cqs: { weight: 1.5, scale: 0.3 }, teacher: { weight: 2 } },
    training: {
      batchSize: 1024,
      epochs: requests.train >= 100_000 ? 1 : 6,
      sparseOptimizer: { kind: 'rowwise-adagrad', lr: 0.05 },
      denseOptimizer: { kind: 'adam', lr: 0.003 },
      schedule: { kind: 'cosine', finalFraction: 0.1 },
      seed,
    },
    evaluation: { k: cascade.golden ?? cascade.passed },
    auction,
  });
}
