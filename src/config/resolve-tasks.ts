/** Tasks with the defaults that depend on their name and on the log's columns. */
import { didYouMean } from '../base/suggest.js';
import { type ModelConfig, type TaskMode, taskModeOf } from './models.js';
import { type Report, without } from './problems.js';
import type { ParsedConfig } from './schema.js';
import {
  type ColumnsConfig,
  isRatio,
  isWholeChain,
  NAMED_TASKS,
  type Place,
  placeOf,
  type TaskConfig,
  type TaskSourceKind,
  taskSource,
  taskSources,
} from './types.js';

type ParsedTask = NonNullable<ParsedConfig['tasks']>[string];

/** Roles of the log that a named task needs. */
const TASK_ROLES = {
  ctr: ['click'],
  cvr: ['click', 'conversion'],
  ctcvr: ['click', 'conversion'],
  etr: ['impression'],
  etctr: ['impression', 'click'],
  itr: ['impression'],
  dropped: ['stage'],
  cqs: ['cqs'],
  teacher: ['finalCtr'],
  label: [],
} as const;

/** Those of the named tasks whose columns are there. */
function possible(columns: ColumnsConfig, names: readonly (typeof NAMED_TASKS)[number][]): Record<string, ParsedTask> {
  const found = names.filter((name) => TASK_ROLES[name].every((role) => columns[role] !== undefined));
  return Object.fromEntries(found.map((name) => [name, { delta: 1 }]));
}

/** Tasks of a model whose configuration names none: of the framework, of clicks and conversions, or of the whole chain. */
function defaultTasks(columns: ColumnsConfig, mode: TaskMode | undefined): Record<string, ParsedTask> {
  if (mode === 'softmax') return possible(columns, ['etr', 'ctr', 'etctr']);
  const ofClicks = mode !== undefined && columns.conversion !== undefined;
  return possible(columns, ofClicks ? ['ctr', 'cvr', 'ctcvr'] : ['ctr', 'cqs', 'teacher']);
}

function defaultsOf(model: ModelConfig, columns: ColumnsConfig): Record<string, ParsedTask> {
  switch (model.kind) {
    case 'dlrm':
      return {};
    case 'vector-product':
      return possible(columns, ['ctr']);
    case 'ecmm':
      return possible(columns, model.releaseCompat ? ['etctr', 'etr'] : ['etctr', 'etr', 'itr']);
    case 'cold':
    case 'fscd':
      return model.head === 'softmax' ? defaultTasks(columns, 'softmax') : possible(columns, ['ctr']);
    default:
      return defaultTasks(columns, taskModeOf(model));
  }
}

const FRAMEWORK_WEIGHTS: Partial<Record<TaskSourceKind, number>> = { cqs: 1.5, teacher: 2 };

/** λ of a task that gives none. Of the second event and both, one learns where the other is made of it. */
function defaultWeight(source: TaskSourceKind, place: Place | undefined, { model, sources }: TaskContext): number {
  const mode = taskModeOf(model);
  if (mode === 'softmax' && place !== undefined) return 0;
  const hasBoth = [...sources].some((other) => placeOf(other, sources) === 'both');
  const throughProduct = mode === 'ctr+ctcvr' || (mode === 'ctr+cvr(product)' && hasBoth);
  if (place === 'next' && throughProduct) return 0;
  if (place === 'both' && mode === 'separate') return 0;
  return FRAMEWORK_WEIGHTS[source] ?? 1;
}

/** What all tasks of a configuration depend on. */
interface TaskContext {
  readonly columns: ColumnsConfig;
  readonly model: ModelConfig;
  /** Of all tasks. */
  readonly sources: ReadonlySet<TaskSourceKind>;
  readonly report: Report;
}

function resolveTask(name: string, task: ParsedTask, context: TaskContext): TaskConfig | undefined {
  const { columns, sources, report } = context;
  const path = ['tasks', name];
  const source = taskSource(name, task);
  if (source === undefined) {
    report(path, `give label: a role of data.columns or a column.${didYouMean(name, NAMED_TASKS)}`);
    return undefined;
  }
  for (const role of TASK_ROLES[source]) {
    if (!columns[role]) report(path, `task ${name} needs data.columns.${role}`);
  }
  const place = placeOf(source, sources);
  if (task.weight !== undefined && task.weight > 0) checkWeight(name, place, context);
  const loss = task.loss ?? (source === 'cqs' ? 'mse' : 'bce');
  if (source !== 'label' && source !== 'cqs' && loss !== 'bce') report([...path, 'loss'], `task ${name} has loss bce`);
  if (source === 'cqs' && loss === 'bce') report([...path, 'loss'], 'CQS is no probability: use a regression loss');
  for (const key of ['target', 'mask'] as const) {
    if (source !== 'teacher' && task[key] !== undefined) report([...path, key], 'is for the task teacher only');
  }
  if (source !== 'ctr' && task.augmented !== undefined) report([...path, 'augmented'], 'is for the task ctr only');
  const augmented = task.augmented ?? (isWholeChain(sources) ? 'none' : 'pseudo-label');
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
    weight: task.weight ?? defaultWeight(source, place, context),
    loss,
    delta: task.delta,
    label: task.label,
    augmented: source === 'ctr' ? augmented : undefined,
    target: source === 'teacher' ? target : undefined,
    mask: source === 'teacher' ? mask : undefined,
    scale: source === 'cqs' ? (task.scale ?? 0.3) : undefined,
  });
}

/** A task that learns through others has no λ of its own. */
function checkWeight(name: string, place: Place | undefined, { model, report }: TaskContext): void {
  const path = ['tasks', name, 'weight'];
  if (isRatio(model, place)) {
    const ratio = name === 'cvr' ? 'pCTCVR / pCTR' : 'pETCTR / pETR';
    report(path, `model ${model.kind} predicts ${name} as ${ratio}, which has no loss: leave the weight out`);
  }
  if (taskModeOf(model) === 'softmax' && place !== undefined) {
    report(path, `model ${model.kind} learns its chain of events by one softmax: leave the weight out`);
  }
}

function checkChain({ sources, report }: TaskContext): void {
  if (!isWholeChain(sources)) return;
  for (const name of ['cvr', 'ctcvr'] as const) {
    if (sources.has(name))
      report(['tasks', name], 'conversions and the chain from candidates to clicks are two models');
  }
}

export function resolveTasks(parsed: ParsedConfig, report: Report): Record<string, TaskConfig> {
  const { columns } = parsed.data;
  const model = without(parsed.model) as ModelConfig;
  const given = parsed.tasks ?? defaultsOf(model, columns);
  const tasks: Record<string, TaskConfig> = {};
  const names = Object.keys(given);
  const context = { columns, model, sources: taskSources(given), report };
  checkChain(context);
  for (const [name, task] of Object.entries(given)) {
    const resolved = resolveTask(name, task, context);
    if (resolved) tasks[name] = resolved;
  }
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
