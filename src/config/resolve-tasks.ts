/** Tasks with the defaults that depend on their name and on the log's columns. */
import { didYouMean } from '../base/suggest.js';
import { type ModelConfig, type TaskMode, taskModeOf } from './models.js';
import { type Report, without } from './problems.js';
import type { ParsedConfig } from './schema.js';
import { type ColumnsConfig, isRatio, NAMED_TASKS, type TaskConfig, type TaskSourceKind, taskSource } from './types.js';

type ParsedTask = NonNullable<ParsedConfig['tasks']>[string];

/** Roles of the log that a named task needs. */
const TASK_ROLES = {
  ctr: ['click'],
  cvr: ['click', 'conversion'],
  ctcvr: ['click', 'conversion'],
  cqs: ['cqs'],
  teacher: ['finalCtr'],
  label: [],
} as const;

/** Tasks of a model whose configuration names none: of the framework, or of clicks and conversions. */
function defaultTasks(columns: ColumnsConfig, mode: TaskMode | undefined): Record<string, ParsedTask> {
  const names =
    mode === undefined || !columns.conversion
      ? (['ctr', 'cqs', 'teacher'] as const)
      : (['ctr', 'cvr', 'ctcvr'] as const);
  const possible = names.filter((name) => TASK_ROLES[name].every((role) => columns[role] !== undefined));
  return Object.fromEntries(possible.map((name) => [name, { delta: 1 }]));
}

function defaultsOf(model: ModelConfig, columns: ColumnsConfig): Record<string, ParsedTask> {
  switch (model.kind) {
    case 'dlrm':
      return {};
    case 'vector-product':
    case 'cold':
      return columns.click ? { ctr: { delta: 1 } } : {};
    default:
      return defaultTasks(columns, taskModeOf(model));
  }
}

const FRAMEWORK_WEIGHTS: Partial<Record<TaskSourceKind, number>> = { cqs: 1.5, teacher: 2 };

/** λ of a task that gives none. Of cvr and ctcvr, one learns where the other is made of it. */
function defaultWeight(source: TaskSourceKind, mode: TaskMode | undefined, names: ReadonlySet<string>): number {
  const throughProduct = mode === 'ctr+ctcvr' || (mode === 'ctr+cvr(product)' && names.has('ctcvr'));
  if (source === 'cvr' && throughProduct) return 0;
  if (source === 'ctcvr' && mode === 'separate') return 0;
  return FRAMEWORK_WEIGHTS[source] ?? 1;
}

/** What all tasks of a configuration depend on. */
interface TaskContext {
  readonly columns: ColumnsConfig;
  readonly model: ModelConfig;
  /** Of all tasks. */
  readonly names: ReadonlySet<string>;
  readonly report: Report;
}

function resolveTask(name: string, task: ParsedTask, context: TaskContext): TaskConfig | undefined {
  const { columns, model, report } = context;
  const path = ['tasks', name];
  const source = taskSource(name, task);
  if (source === undefined) {
    report(path, `give label: a role of data.columns or a column.${didYouMean(name, NAMED_TASKS)}`);
    return undefined;
  }
  for (const role of TASK_ROLES[source]) {
    if (!columns[role]) report(path, `task ${name} needs data.columns.${role}`);
  }
  if (isRatio(model, name, task) && task.weight !== undefined && task.weight > 0) {
    report(
      [...path, 'weight'],
      `model ${model.kind} predicts cvr as pCTCVR / pCTR, which has no loss: leave the weight out`,
    );
  }
  const loss = task.loss ?? (source === 'cqs' ? 'mse' : 'bce');
  if (source !== 'label' && source !== 'cqs' && loss !== 'bce') report([...path, 'loss'], `task ${name} has loss bce`);
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
    weight: task.weight ?? defaultWeight(source, taskModeOf(model), context.names),
    loss,
    delta: task.delta,
    label: task.label,
    augmented: source === 'ctr' ? augmented : undefined,
    target: source === 'teacher' ? target : undefined,
    mask: source === 'teacher' ? mask : undefined,
    scale: source === 'cqs' ? (task.scale ?? 0.3) : undefined,
  });
}

export function resolveTasks(parsed: ParsedConfig, report: Report): Record<string, TaskConfig> {
  const { columns } = parsed.data;
  const model = without(parsed.model) as ModelConfig;
  const given = parsed.tasks ?? defaultsOf(model, columns);
  const tasks: Record<string, TaskConfig> = {};
  const names = Object.keys(given);
  const context = { columns, model, names: new Set(names), report };
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
