/** From a study's run to the configuration that it trains with. */
import { parse } from 'yaml';
import type { SimulationConfig } from '../cascade/config.js';
import { allEvents } from '../cascade/phases.js';
import { finalTrainingConfig, trainingConfig } from '../cascade/training-config.js';
import { loadConfig } from '../config/load.js';
import type { ConfigInput } from '../config/schema.js';
import type { ResolvedConfig } from '../config/types.js';
import type { RunPlan, TrainingRows } from './study.js';

/** The same for every run; as the prototype of the simulated world had it, Adam trains the tables, too. */
const TRAINING: NonNullable<ConfigInput['training']> = {
  batchSize: 1024,
  denseOptimizer: { kind: 'adam', lr: 0.003 },
  sparseOptimizer: { kind: 'adam', lr: 0.003 },
  schedule: { kind: 'cosine', finalFraction: 0.1 },
};

/** Impressions are a third of the augmented rows: with three times the passes every run makes as many steps. */
const EPOCHS: Readonly<Record<TrainingRows, number>> = { impressions: 6, augmented: 2, outliers: 2 };

/** One pass at a constant rate; in small batches, so that each teaches something about the present. */
const ONLINE: typeof TRAINING = { batchSize: 256, epochs: 1, schedule: { kind: 'constant' } };

/** One CQS label in a hundred is twenty times too large; which, is decided by request and ad. */
const OUTLIERS =
  'SELECT * REPLACE (CASE WHEN (request_id * 7919 + ad_id * 104729) % 100 = 0 THEN 20 * cqs ELSE cqs END AS cqs) ' +
  "FROM 'train/*.parquet'";

/** What `prerank simulate` proposes for these logs, without tasks and data. */
function baseConfig(simulation: SimulationConfig): ConfigInput & { readonly data: NonNullable<ConfigInput['data']> } {
  const { tasks: _tasks, ...base } = parse(trainingConfig(simulation));
  return base;
}

/** The configuration that encodes the training rows of one kind for every run that trains on them. */
export function ingestConfig(simulation: SimulationConfig, rows: TrainingRows, logs: string): ResolvedConfig {
  const base = baseConfig(simulation);
  const events = allEvents(simulation).map(({ name }) => [name, { label: name }] as const);
  const sql = { sql: OUTLIERS, directory: logs };
  return loadConfig({
    ...base,
    data: {
      ...base.data,
      train: rows === 'outliers' ? sql : `${logs}/train/*.parquet`,
      eval: undefined,
      augmentation: augmentation(base, rows),
    },
    tasks: { ctr: {}, cqs: {}, teacher: {}, ...Object.fromEntries(events) },
  });
}

function augmentation({ data }: ReturnType<typeof baseConfig>, rows: TrainingRows): typeof data.augmentation {
  return rows === 'impressions' ? { rate: 0 } : data.augmentation;
}

/** Everything that decides a run's parameters but the rows: a configuration without data sources. */
export function runSettings(simulation: SimulationConfig, plan: RunPlan): ConfigInput {
  const base = baseConfig(simulation);
  const { online, rows } = plan;
  return {
    ...base,
    name: 'experiment',
    data: {
      ...base.data,
      train: undefined,
      eval: undefined,
      augmentation: augmentation(base, rows),
      ...(online === undefined ? {} : { shuffle: 'none' as const }),
    },
    tasks: plan.tasks,
    training: {
      seed: simulation.seed,
      ...TRAINING,
      epochs: EPOCHS[rows],
      ...(online === undefined ? {} : ONLINE),
      ...plan.training,
    },
  };
}

/**
 * The configuration of a run over an encoded dataset.
 * @param rows of the dataset.
 * @param set `path=value` pairs over the study's settings.
 */
export function runConfig(
  settings: ConfigInput,
  { online }: RunPlan,
  dataset: { readonly folder: string; readonly rows: number },
  set: readonly string[],
): ResolvedConfig {
  const config = loadConfig({ ...settings, data: { ...settings.data, train: dataset.folder } }, { set });
  if (online === undefined) return config;
  const { epochs: _epochs, ...training } = config.training;
  const steps = Math.max(1, Math.round((online * dataset.rows) / training.batchSize));
  return { ...config, training: { ...training, steps } };
}

/** The stretch of the stream before a system's logs, of which only impressions are logged: what its final stage learns from. */
export function historyOf(config: SimulationConfig, train: number): SimulationConfig {
  return {
    ...config,
    requests: { ...config.requests, first: 0, train, eval: 1, replay: 1 },
    log: { ...config.log, final: 0, early: 0 },
  };
}

/** The configuration of a final-stage model over raw logs. */
export function finalConfig(history: SimulationConfig, logs: string): ResolvedConfig {
  const { data, ...base } = parse(finalTrainingConfig(history)) as ConfigInput & {
    data: NonNullable<ConfigInput['data']>;
  };
  return loadConfig({ ...base, data: { ...data, train: `${logs}/train/*.parquet`, eval: undefined } });
}
