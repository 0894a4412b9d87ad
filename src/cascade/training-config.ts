/** The configuration with which `prerank train` trains the early-stage model on simulated logs. */
import { stringify } from 'yaml';
import type { ConfigInput } from '../config/schema.js';
import type { SimulationConfig } from './config.js';
import { SimulatedSystem } from './system.js';

/** What the model may use of one side, the id first. */
function features(system: SimulatedSystem, side: 'user' | 'ad') {
  const dense = system.features.filter((feature) => feature.side === side);
  return [
    { name: `${side}_id`, kind: 'categorical' as const },
    ...dense.map(({ name }) => ({ name, kind: 'dense' as const })),
  ];
}

/** @returns YAML whose paths start at the folder of the logs. */
export function trainingConfig(config: SimulationConfig): string {
  const system = new SimulatedSystem({ ...config, world: { ...config.world, users: 1, ads: 1 } });
  const { cascade, auction, seed, requests } = config;
  const content: ConfigInput = {
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
  };
  return stringify(content, { lineWidth: 120, aliasDuplicateObjects: false });
}
