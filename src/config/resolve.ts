/** Fills in the defaults that depend on other fields and checks what the schema alone cannot see. */
import { readFileSync } from 'node:fs';
import { didYouMean } from '../base/suggest.js';
import { absolutePath } from './paths.js';
import type { ParsedConfig } from './schema.js';
import {
  type AugmentationConfig,
  type ColumnsConfig,
  type DataConfig,
  type EvaluationConfig,
  type FeatureConfig,
  type IdFeatureConfig,
  type MetricName,
  type ModelConfig,
  type ResolvedConfig,
  type ScheduleConfig,
  SIDES,
  type SourceConfig,
  type SqlSource,
  type TaskConfig,
  type TrainingConfig,
  taskSource,
} from './types.js';

/** A rule broken at a path of the configuration. */
export interface ConfigProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

type Report = (path: readonly (string | number)[], message: string) => void;
type ParsedFeature = ParsedConfig['data']['features']['user'][number];
type ParsedIdFeature = Exclude<ParsedFeature, { kind: 'dense' }>;
type ParsedTask = NonNullable<ParsedConfig['tasks']>[string];

interface LocatedFeature {
  readonly feature: ParsedFeature;
  readonly path: readonly (string | number)[];
}

const DEFAULT_MIN_FREQUENCY = 2;

function without<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as T;
}

/** The query of an SQL source; a line of its own for what is put after it, since a file may end in a comment. */
function resolveSql(source: { sql: string } | { file: string }, where: string | undefined): string {
  const text = 'file' in source ? readFileSync(source.file, 'utf8') : source.sql;
  const query = text.trim().replace(/;$/, '');
  if (where !== undefined) return `SELECT * FROM (\n${query}\n) WHERE ${where}`;
  return 'file' in source ? `SELECT * FROM (\n${query}\n)` : source.sql;
}

type TableFiles = Readonly<Record<string, string | readonly string[]>>;

/** The files of the tables that an SQL source names. SQL does not tell upper from lower case, so neither may two names. */
function resolveTables(files: TableFiles, directory: string, report: Report): NonNullable<SqlSource['files']> {
  const names = new Map<string, string>();
  for (const name of Object.keys(files)) {
    const other = names.get(name.toLowerCase());
    if (other !== undefined) report(['files', name], `the same name as "${other}" to SQL: rename one of the tables`);
    names.set(name.toLowerCase(), name);
  }
  return Object.fromEntries(
    Object.entries(files).map(([name, paths]) => [
      name,
      (typeof paths === 'string' ? [paths] : paths).map((path) => absolutePath(path, directory)),
    ]),
  );
}

function resolveSource(
  source: ParsedConfig['data']['train'],
  configDirectory: string,
  report: Report,
): SourceConfig | undefined {
  if (source === undefined) return undefined;
  if (typeof source === 'string') return [source];
  if (Array.isArray(source)) return source;
  let sql = '';
  try {
    sql = resolveSql(source, source.where);
  } catch (cause) {
    report([], `cannot read the SQL: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
  const { directory = configDirectory, files } = source;
  return { sql, directory, ...(files && { files: resolveTables(files, directory, report) }) };
}

/** What the features of one table agree on: the first explicit setting counts for all. */
interface SharedTable {
  dim?: number;
  mapping?: Pick<IdFeatureConfig, 'vocabulary' | 'hash'>;
}

function collectTables(features: readonly LocatedFeature[], report: Report): Map<string, SharedTable> {
  const tables = new Map<string, SharedTable>();
  for (const { feature, path } of features) {
    if (feature.kind === 'dense') continue;
    const name = feature.table ?? feature.name;
    const shared = tables.get(name) ?? {};
    tables.set(name, shared);
    if (feature.vocabulary && feature.hash) report(path, 'give either vocabulary or hash, not both');
    const mapping = feature.vocabulary
      ? { vocabulary: feature.vocabulary }
      : feature.hash
        ? { hash: feature.hash }
        : undefined;
    if (mapping) {
      if (shared.mapping && JSON.stringify(shared.mapping) !== JSON.stringify(mapping)) {
        report(path, `table "${name}" is shared, but vocabulary or hash differs from another feature's`);
      }
      shared.mapping ??= mapping;
    }
    if (feature.dim !== undefined) {
      if (shared.dim !== undefined && shared.dim !== feature.dim) {
        report([...path, 'dim'], `table "${name}" is shared and has dim ${shared.dim} elsewhere`);
      }
      shared.dim ??= feature.dim;
    }
  }
  return tables;
}

function resolveIdFeature(
  feature: ParsedIdFeature,
  table: SharedTable | undefined,
  data: ParsedConfig['data'],
  dim: number,
): IdFeatureConfig {
  return without({
    name: feature.name,
    kind: feature.kind,
    column: feature.column ?? feature.name,
    table: feature.table ?? feature.name,
    dim: table?.dim ?? dim,
    ...(table?.mapping ?? { vocabulary: { minFrequency: DEFAULT_MIN_FREQUENCY } }),
    pooling: feature.kind === 'multi' ? feature.pooling : undefined,
    weights: feature.kind === 'multi' ? feature.weights : undefined,
    nulls: feature.nulls ?? data.nulls,
  });
}

function resolveFeatures(parsed: ParsedConfig, report: Report): DataConfig['features'] {
  const { data, model } = parsed;
  const located = SIDES.flatMap((side) =>
    data.features[side].map((feature, i): LocatedFeature => ({ feature, path: ['data', 'features', side, i] })),
  );
  if (located.length === 0) report(['data', 'features'], 'at least one feature is needed');
  const names = new Set<string>();
  for (const { feature, path } of located) {
    if (names.has(feature.name)) report([...path, 'name'], `feature "${feature.name}" is defined twice`);
    names.add(feature.name);
    if (!/^[A-Za-z0-9_-]+$/.test(feature.name)) {
      report([...path, 'name'], 'a feature is named by letters, digits, _ and -; use column: for the name in the log');
    }
  }
  const tables = collectTables(located, report);
  const resolve = (feature: ParsedFeature): FeatureConfig => {
    if (feature.kind !== 'dense') {
      return resolveIdFeature(feature, tables.get(feature.table ?? feature.name), data, model.embeddingDim);
    }
    const transform = feature.transform === 'none' ? [] : [feature.transform].flat();
    const column = feature.column ?? feature.name;
    return { name: feature.name, kind: 'dense', column, transform, nulls: feature.nulls ?? data.nulls };
  };
  const resolved = {
    user: data.features.user.map(resolve),
    ad: data.features.ad.map(resolve),
    context: data.features.context.map(resolve),
  };
  checkSides(parsed, resolved, report);
  return resolved;
}

function checkSides(parsed: ParsedConfig, features: DataConfig['features'], report: Report): void {
  if (parsed.model.kind === 'two-tower') {
    for (const side of ['user', 'ad'] as const) {
      if (features[side].length === 0) {
        report(['data', 'features', side], `model two-tower needs at least one ${side} feature (one list is for dlrm)`);
      }
    }
  }
}

function checkModel(model: ModelConfig, report: Report): void {
  const last = model.bottom?.at(-1);
  if (last !== undefined && last !== model.embeddingDim) {
    report(['model', 'bottom'], `the last width must be embeddingDim (${model.embeddingDim}), got ${last}`);
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

function defaultTasks(columns: ColumnsConfig): Record<string, ParsedTask> {
  const tasks: Record<string, ParsedTask> = {};
  if (columns.click) tasks.ctr = { delta: 1 };
  if (columns.cqs) tasks.cqs = { delta: 1 };
  if (columns.finalCtr) tasks.teacher = { delta: 1 };
  return tasks;
}

const TASK_WEIGHTS = { ctr: 1, cqs: 1.5, teacher: 2, label: 1 } as const;
const TASK_ROLES = { ctr: 'click', cqs: 'cqs', teacher: 'finalCtr' } as const;

function resolveTask(name: string, task: ParsedTask, columns: ColumnsConfig, report: Report): TaskConfig | undefined {
  const path = ['tasks', name];
  const source = taskSource(name, task);
  if (source === undefined) {
    report(path, `give label: a role of data.columns or a column.${didYouMean(name, ['ctr', 'cqs', 'teacher'])}`);
    return undefined;
  }
  if (source !== 'label' && !columns[TASK_ROLES[source]]) {
    report(path, `task ${name} needs data.columns.${TASK_ROLES[source]}`);
  }
  const loss = task.loss ?? (source === 'cqs' ? 'mse' : 'bce');
  if ((source === 'ctr' || source === 'teacher') && loss !== 'bce')
    report([...path, 'loss'], `task ${name} has loss bce`);
  if (source === 'cqs' && loss === 'bce') report([...path, 'loss'], 'CQS is no probability: use a regression loss');
  for (const key of ['target', 'mask'] as const) {
    if (source !== 'teacher' && task[key] !== undefined) report([...path, key], 'is for the task teacher only');
  }
  if (source !== 'ctr' && task.augmented !== undefined) report([...path, 'augmented'], 'is for the task ctr only');
  const augmented = task.augmented ?? 'pseudo-label';
  if (augmented !== 'pseudo-label' && !columns.impression) {
    report([...path, 'augmented'], `${augmented} needs data.columns.impression`);
  }
  if (source !== 'cqs' && task.scale !== undefined) report([...path, 'scale'], 'is for the task cqs only');
  const target = task.target ?? 'own';
  const mask = task.mask ?? 'ctrTraffic';
  if (source === 'teacher' && target === 'ctr' && mask === 'hasFinalCtr') {
    report([...path, 'mask'], 'target: ctr needs mask: ctrTraffic, or the CTR head would train outside its traffic');
  }
  return without({
    weight: task.weight ?? TASK_WEIGHTS[source],
    loss,
    delta: task.delta,
    label: task.label,
    augmented: source === 'ctr' ? augmented : undefined,
    target: source === 'teacher' ? target : undefined,
    mask: source === 'teacher' ? mask : undefined,
    scale: source === 'cqs' ? (task.scale ?? 0.3) : undefined,
  });
}

function resolveTasks(parsed: ParsedConfig, report: Report): Record<string, TaskConfig> {
  const { columns } = parsed.data;
  const given = parsed.tasks ?? (parsed.model.kind === 'two-tower' ? defaultTasks(columns) : {});
  const tasks: Record<string, TaskConfig> = {};
  for (const [name, task] of Object.entries(given)) {
    const resolved = resolveTask(name, task, columns, report);
    if (resolved) tasks[name] = resolved;
  }
  const names = Object.keys(given);
  if (names.length === 0) {
    report(['tasks'], 'at least one task is needed, for example tasks: { click: { label: click } }');
  }
  if (names.length > 32) report(['tasks'], `at most 32 tasks, got ${names.length}`);
  const teacher = tasks.teacher;
  if (teacher?.target === 'ctr' && tasks.ctr === undefined) {
    report(['tasks', 'teacher', 'target'], 'target: ctr needs a task ctr');
  }
  return tasks;
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
  const { batchSize, epochs, steps, sparseOptimizer, denseOptimizer, earlyStopping, device, ...rest } = training;
  const perOptimizer = (optimizer: { l2?: number | undefined; schedule?: ScheduleConfig | undefined }) => ({
    l2: optimizer.l2 ?? training.l2,
    schedule: optimizer.schedule ? resolveSchedule({ ...optimizer.schedule }) : schedule,
  });
  return without({
    batchSize,
    epochs: steps === undefined ? (epochs ?? 1) : undefined,
    steps,
    ...rest,
    balancing: without({ kind, normalisation: kind === 'mgda' ? (normalisation ?? 'none') : undefined }),
    earlyStopping,
    device: device === 'cpu' ? 'cpu' : 'auto',
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
  checkColumns(data, report);
  checkSplit(data, report);
  const tasks = resolveTasks(parsed, report);
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
