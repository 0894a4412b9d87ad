/**
 * Which row trains which task, and what a prediction means: the configured tasks as the model's tasks and the
 * loader's sources over the encoded dataset's columns.
 */
import { PrerankError } from '../base/errors.js';
import { isRatio, placeOf, type ResolvedConfig, type TaskConfig, taskSource, taskSources } from '../config/types.js';
import { DERIVED_LABELS, type FeatureMap, labelColumn, ROLE_COLUMNS, type Role } from '../data/features.js';
import type { ModelTask } from '../models/model.js';
import type { TaskSourceSpec } from '../runtime/native.js';

/**
 * From an output a to the prediction: probability σ(a), value a / scale + shift in the label's own units, or the ratio e^a of
 * two probabilities, which ranks like one but may exceed 1.
 */
export type PredictionTransform =
  | { readonly kind: 'probability' }
  | { readonly kind: 'ratio' }
  | { readonly kind: 'value'; readonly scale: number; readonly shift: number };

/** A task without the log: what the model learns and how its head's output is read. */
export interface TaskModel {
  readonly name: string;
  readonly model: ModelTask;
  readonly prediction: PredictionTransform;
}

/** A task over a log: also where its target comes from. */
export interface ResolvedTask extends TaskModel {
  readonly source: TaskSourceSpec;
  /** Its labels are observed only where the ad was shown; elsewhere `source.pseudo` (if any) stands in. */
  readonly shownOnly: boolean;
}

/** κ of κ·(CQS − mean)/std when the configuration gives none (framework.md §4.4). */
const DEFAULT_CQS_SCALE = 0.3;

const UNSEEN = { 'pseudo-label': 'label', negative: 'negative', none: 'none' } as const;

/** Labels that mean something only where the ad was shown. */
const SHOWN_ROLES: ReadonlySet<string> = new Set<Role>(['click', 'conversion']);

/** The model's side of every task of the configuration, in its order. */
export function taskModels(config: Pick<ResolvedConfig, 'model' | 'tasks'>, features: FeatureMap): TaskModel[] {
  const sources = taskSources(config.tasks);
  return Object.entries(config.tasks).map(([name, task]) => {
    const kind = taskSource(name, task);
    const place = kind === undefined ? undefined : placeOf(kind, sources);
    const { loss, weight, delta } = task;
    const model: ModelTask = { name, kind: loss, weight, delta, ...(place === undefined ? {} : { place }) };
    if (isRatio(config.model, place)) {
      return { name, model: { ...model, lossless: true }, prediction: { kind: 'ratio' } };
    }
    if (kind === 'cqs') {
      return { name, model, prediction: { kind: 'value', ...cqsScale(task, features) } };
    }
    if (kind === 'teacher' && task.target === 'ctr') {
      return { name, model: { ...model, logitsOf: 'ctr' }, prediction: { kind: 'probability' } };
    }
    const prediction: PredictionTransform =
      task.loss === 'bce' ? { kind: 'probability' } : { kind: 'value', scale: 1, shift: 0 };
    return { name, model, prediction };
  });
}

/**
 * Every task of the configuration over a log, in its order.
 * @param columns names of the encoded dataset's columns.
 * @throws COLUMN_MISSING when a task's label is not in the dataset.
 */
export function resolveTasks(
  config: Pick<ResolvedConfig, 'model' | 'tasks'>,
  features: FeatureMap,
  columns: ReadonlySet<string>,
): ResolvedTask[] {
  return taskModels(config, features).map((task) => {
    const settings = config.tasks[task.name];
    if (settings === undefined) {
      throw new PrerankError('INTERNAL', `task ${task.name} has no settings`);
    }
    const resolved = { ...task, ...resolveSource(task.name, settings, features, columns) };
    const { target } = resolved.source;
    if (!columns.has(target)) {
      throw new PrerankError('COLUMN_MISSING', `task ${task.name} needs the column ${target} of the dataset`, {
        column: target,
        path: `tasks.${task.name}`,
      });
    }
    return resolved;
  });
}

type Source = Pick<ResolvedTask, 'source' | 'shownOnly'>;

function resolveSource(name: string, task: TaskConfig, features: FeatureMap, columns: ReadonlySet<string>): Source {
  const present = (role: Role): string | undefined => {
    const { column } = ROLE_COLUMNS[role];
    return columns.has(column) ? column : undefined;
  };
  const kind = taskSource(name, task);
  switch (kind) {
    case 'ctr': {
      const shown = present('impression');
      const source = {
        target: ROLE_COLUMNS.click.column,
        shown,
        pseudo: shown === undefined ? undefined : present('finalCtr'),
        unseen: shown === undefined ? undefined : UNSEEN[task.augmented ?? 'pseudo-label'],
        traffic: present('ctrTraffic'),
        probability: true,
      };
      return { source, shownOnly: true };
    }
    case 'cvr':
    case 'ctcvr': {
      const source = { target: DERIVED_LABELS[kind], traffic: present('impression'), probability: true };
      return { source, shownOnly: true };
    }
    case 'etr':
    case 'etctr':
    case 'itr':
    case 'dropped':
      return { source: { target: DERIVED_LABELS[kind], probability: true }, shownOnly: false };
    case 'cqs':
      return { source: { target: ROLE_COLUMNS.cqs.column, ...cqsScale(task, features) }, shownOnly: false };
    case 'teacher':
      return { source: teacherSource(name, task, present('ctrTraffic')), shownOnly: false };
    default:
      return labelSource(task.label ?? name, task, columns);
  }
}

/** Targets are κ(CQS − μ)/σ with μ, σ of the training split. */
function cqsScale(task: TaskConfig, features: FeatureMap): { readonly scale: number; readonly shift: number } {
  if (features.cqs === null) {
    throw new PrerankError('COLUMN_MISSING', 'task cqs needs the role cqs', { path: 'data.columns.cqs' });
  }
  const { mean, std } = features.cqs;
  return { scale: (task.scale ?? DEFAULT_CQS_SCALE) / (std > 0 ? std : 1), shift: mean };
}

function teacherSource(name: string, task: TaskConfig, traffic: string | undefined): TaskSourceSpec {
  const everywhere = task.mask === 'hasFinalCtr';
  if (everywhere && task.target === 'ctr') {
    throw new PrerankError(
      'CONFIG_INVALID',
      'teacher.target ctr with teacher.mask hasFinalCtr would train CTR outside its serving traffic; use mask ctrTraffic',
      { path: `tasks.${name}.mask` },
    );
  }
  return { target: ROLE_COLUMNS.finalCtr.column, traffic: everywhere ? undefined : traffic, probability: true };
}

function labelSource(label: string, task: TaskConfig, columns: ReadonlySet<string>): Source {
  const role = roleOf(label, columns);
  const shownOnly = role !== undefined && SHOWN_ROLES.has(role);
  const impression = ROLE_COLUMNS.impression.column;
  const source = {
    target: role === undefined ? labelColumn(label) : ROLE_COLUMNS[role].column,
    traffic: shownOnly && columns.has(impression) ? impression : undefined,
    probability: task.loss === 'bce',
  };
  return { source, shownOnly };
}

/** The role that a label names, when the log has it; otherwise the label is a raw column. */
function roleOf(label: string, columns: ReadonlySet<string>): Role | undefined {
  const role = Object.hasOwn(ROLE_COLUMNS, label) ? (label as Role) : undefined;
  return role !== undefined && columns.has(ROLE_COLUMNS[role].column) ? role : undefined;
}
