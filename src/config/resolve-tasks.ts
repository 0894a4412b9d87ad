/** Tasks with the defaults that depend on their name and on the log's columns. */
import { didYouMean } from '../base/suggest.js';
import { type Report, without } from './problems.js';
import type { ParsedConfig } from './schema.js';
import { type ColumnsConfig, type TaskConfig, taskSource } from './types.js';

type ParsedTask = NonNullable<ParsedConfig['tasks']>[string];

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

export function resolveTasks(parsed: ParsedConfig, report: Report): Record<string, TaskConfig> {
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
