/** Fills in the defaults that depend on other fields and checks what the schema alone cannot see. */
import { didYouMean } from '../base/suggest.js';
import { type ModelConfig, RELEASED_ECMM } from './models.js';
import { type ConfigProblem, type Report, without } from './problems.js';
import { resolveFeatures } from './resolve-features.js';
import { resolveSource } from './resolve-source.js';
import { resolveTasks } from './resolve-tasks.js';
import type { ParsedConfig } from './schema.js';
import {
  type AugmentationConfig,
  type ColumnsConfig,
  type EvaluationConfig,
  type MetricName,
  type ResolvedConfig,
  type ScheduleConfig,
  SIDES,
  type TaskConfig,
  type TrainingConfig,
} from './types.js';

/** `releaseCompat` says what it says; another setting beside it would be something else. */
function checkReleased(model: ModelConfig, tasks: readonly string[], report: Report): void {
  const path = ['model', 'releaseCompat'];
  if (model.kind === 'cold' && model.releaseCompat && model.selection === undefined) {
    report(path, 'is what follows a selection: give model.selection');
  }
  if (model.kind !== 'ecmm' || !model.releaseCompat) return;
  const { inputGate, counts, gates } = RELEASED_ECMM;
  const { subnets, routing } = model;
  const isSame = model.inputGate === inputGate && routing.gates === gates && String(subnets.counts) === String(counts);
  if (!isSame || routing.transform) {
    const meaning = `inputGate ${inputGate}, subnets.counts [${counts.join(', ')}] and routing.gates ${gates}`;
    report(path, `means ${meaning}, without routing.transform: leave these out`);
  }
  if (tasks.length > 2) report(path, 'means two towers: name at most two tasks, etctr and etr');
}

function checkModel(model: ModelConfig, report: Report): void {
  if (!('interaction' in model)) return;
  const last = model.bottom?.at(-1);
  if (last !== undefined && last !== model.embeddingDim) {
    report(['model', 'bottom'], `the last width must be embeddingDim (${model.embeddingDim}), got ${last}`);
  }
}

function checkHostTables({ data: { features }, training }: ParsedConfig, report: Report): void {
  const known = SIDES.flatMap((side) =>
    features[side].flatMap((feature) => (feature.kind === 'dense' ? [] : [feature.table ?? feature.name])),
  );
  for (const [i, name] of training.hostTables.entries()) {
    if (known.includes(name)) continue;
    report(['training', 'hostTables', i], `no feature has a table "${name}"${didYouMean(name, known)}`);
  }
}

function checkColumns(data: ParsedConfig['data'], report: Report): void {
  const { columns, augmentation, sampling, duplicates } = data;
  if (sampling && !columns.stage) report(['data', 'sampling'], 'sampling by stage needs data.columns.stage');
  for (const role of ['request', 'ad'] as const) {
    if (duplicates !== 'keep' && !columns[role]) report(['data', 'duplicates'], `needs data.columns.${role}`);
    if (sampling && !columns[role]) report(['data', 'sampling'], `sampling needs data.columns.${role}`);
  }
  if (augmentation && sampling)
    report(['data', 'sampling'], 'give either data.augmentation or data.sampling, not both');
  if (augmentation) {
    if (augmentation.perRequest !== undefined && augmentation.rate !== undefined) {
      report(['data', 'augmentation', 'rate'], 'give either perRequest or rate, not both');
    }
    for (const role of ['request', 'ad'] as const) {
      if (!columns[role]) report(['data', 'augmentation'], `augmentation needs data.columns.${role}`);
    }
    if (!columns.impression && !columns.stage) {
      report(['data', 'augmentation'], 'augmentation needs data.columns.impression or data.columns.stage');
    }
    if (augmentation.pool !== 'mixed' && !columns.stage) {
      report(['data', 'augmentation', 'pool'], `pool ${augmentation.pool} needs data.columns.stage`);
    }
  }
}

function checkSplit({ split, eval: evaluation, columns }: ParsedConfig['data'], report: Report): void {
  if (split === undefined) return;
  if (evaluation !== undefined) report(['data', 'split'], 'give either data.eval or data.split, not both');
  if (split.by === 'time' && !columns.time) report(['data', 'split'], 'a split by time needs data.columns.time');
  if (split.by === 'hash' && !columns.request) report(['data', 'split'], 'a split by hash needs data.columns.request');
}

const DEFAULT_PER_REQUEST = 4;

function resolveAugmentation(augmentation: ParsedConfig['data']['augmentation']): AugmentationConfig | undefined {
  if (augmentation === undefined) return undefined;
  const { pool, perRequest, rate, weight } = augmentation;
  return without({
    pool,
    perRequest: rate === undefined ? (perRequest ?? DEFAULT_PER_REQUEST) : undefined,
    rate,
    weight,
  });
}

function resolveSchedule(schedule: ParsedConfig['training']['schedule']): ScheduleConfig {
  return without({ ...schedule });
}

function resolveTraining(training: ParsedConfig['training'], report: Report): TrainingConfig {
  if (training.epochs !== undefined && training.steps !== undefined) {
    report(['training', 'steps'], 'give either epochs or steps, not both');
  }
  const schedule = resolveSchedule(training.schedule);
  const { kind, normalisation } = training.balancing;
  if (normalisation !== undefined && kind !== 'mgda') {
    report(['training', 'balancing', 'normalisation'], 'is for the kind mgda only');
  }
  const { batchSize, epochs, steps, sparseOptimizer, denseOptimizer, earlyStopping, ...rest } = training;
  const perOptimizer = (optimizer: { l2?: number | undefined; schedule?: ScheduleConfig | undefined }) => ({
    l2: optimizer.l2 ?? training.l2,
    schedule: optimizer.schedule ? resolveSchedule({ ...optimizer.schedule }) : schedule,
  });
  const { pwiser } = training;
  if (pwiser !== undefined && kind !== 'fixed') {
    report(['training', 'pwiser'], 'is no task that balancing weighs: use training.balancing.kind fixed');
  }
  return without({
    batchSize,
    epochs: steps === undefined ? (epochs ?? 1) : undefined,
    steps,
    ...rest,
    balancing: without({ kind, normalisation: kind === 'mgda' ? (normalisation ?? 'none') : undefined }),
    earlyStopping,
    schedule,
    sparseOptimizer: { ...sparseOptimizer, ...perOptimizer(sparseOptimizer) },
    denseOptimizer: { ...denseOptimizer, ...perOptimizer(denseOptimizer) },
  });
}

function defaultMetrics(tasks: Readonly<Record<string, TaskConfig>>, columns: ColumnsConfig): MetricName[] {
  const losses = Object.values(tasks).map((task) => task.loss);
  const metrics: MetricName[] = [];
  if (losses.includes('bce')) {
    metrics.push('ne', 'auc');
    if (columns.request || columns.user) metrics.push('gauc');
    metrics.push('logLoss', 'calibration');
  }
  if (losses.some((loss) => loss !== 'bce')) metrics.push('mse', 'nmse');
  if (columns.request && columns.finalTotalValue) metrics.push('hardRecall', 'softRecall', 'tvd');
  return metrics;
}

function resolveEvaluation(
  evaluation: ParsedConfig['evaluation'],
  columns: ColumnsConfig,
  tasks: Readonly<Record<string, TaskConfig>>,
  report: Report,
): EvaluationConfig {
  if (evaluation.group && !columns[evaluation.group]) {
    report(['evaluation', 'group'], `needs data.columns.${evaluation.group}`);
  }
  const group = evaluation.group ?? (columns.request ? 'request' : columns.user ? 'user' : undefined);
  return without({ k: evaluation.k, metrics: evaluation.metrics ?? defaultMetrics(tasks, columns), group });
}

/** `directory`: where relative paths inside `sql` start when the source does not say. Problems go to `problems`. */
export function resolveConfig(parsed: ParsedConfig, directory: string, problems: ConfigProblem[]): ResolvedConfig {
  const report: Report = (path, message) => {
    problems.push({ path, message });
  };
  const { data } = parsed;
  const columns = without(data.columns) as ColumnsConfig;
  const model = without(parsed.model) as ModelConfig;
  checkModel(model, report);
  checkHostTables(parsed, report);
  checkColumns(data, report);
  checkSplit(data, report);
  const tasks = resolveTasks(parsed, report);
  checkReleased(model, Object.keys(tasks), report);
  return {
    name: parsed.name,
    data: without({
      train: resolveSource(data.train, directory, (path, message) => report(['data', 'train', ...path], message)),
      eval: resolveSource(data.eval, directory, (path, message) => report(['data', 'eval', ...path], message)),
      split: data.split,
      columns,
      features: resolveFeatures(parsed, report),
      augmentation: resolveAugmentation(data.augmentation),
      sampling: data.sampling,
      duplicates: data.duplicates,
      shuffle: data.shuffle,
      windowRows: data.windowRows,
      nulls: data.nulls,
      maxBad: data.maxBad,
    }),
    model,
    tasks,
    training: resolveTraining(parsed.training, report),
    evaluation: resolveEvaluation(parsed.evaluation, columns, tasks, report),
    auction: parsed.auction,
  };
}
