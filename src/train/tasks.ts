/**
 * Which row trains which task, and what a prediction means: the configured tasks as the model's tasks and the
 * loader's sources over the encoded dataset's columns.
 */
import { PrerankError } from '../base/errors.js';
import { type ResolvedConfig, type TaskConfig, taskSource } from '../config/types.js';
import { type FeatureMap, ROLE_COLUMNS, type Role } from '../data/features.js';
import type { ModelTask } from '../models/model.js';
import type { TaskSourceSpec } from '../runtime/native.js';

/** From a head's output a to the prediction: probability σ(a), or value a / scale + shift in the label's own units. */
export type PredictionTransform =
  | { readonly kind: 'probability' }
  | { readonly kind: 'value'; readonly scale: number; readonly shift: number };

export interface ResolvedTask {
  readonly name: string;
  readonly model: ModelTask;
  readonly source: TaskSourceSpec;
  readonly prediction: PredictionTransform;
  /** Its labels are observed only where the ad was shown; elsewhere `source.pseudo` (if any) stands in. */
  readonly shownOnly: boolean;
}

/** κ of κ·(CQS − mean)/std when the configuration gives none (framework.md §4.4). */
const DEFAULT_CQS_SCALE = 0.3;

/** Labels that mean something only where the ad was shown. */
const SHOWN_ROLES: ReadonlySet<string> = new Set<Role>(['click', 'conversion']);

/**
 * Resolves every task of the configuration, in its order.
 * @param columns names of the encoded dataset's columns.
 * @throws COLUMN_MISSING when a task's label is not in the dataset.
 */
export function resolveTasks(
  config: Pick<ResolvedConfig, 'tasks'>,
  features: FeatureMap,
  columns: ReadonlySet<string>,
): ResolvedTask[] {
  return Object.entries(config.tasks).map(([name, task]) => {
    const resolved = resolveTask(name, task, features, columns);
    const { target, pseudo } = resolved.source;
    for (const column of [target, pseudo]) {
      if (column !== undefined && !columns.has(column)) {
        throw new PrerankError('COLUMN_MISSING', `task ${name} needs the column ${column} of the dataset`, {
          column,
          path: `tasks.${name}`,
        });
      }
    }
    return resolved;
  });
}

function resolveTask(name: string, task: TaskConfig, features: FeatureMap, columns: ReadonlySet<string>): ResolvedTask {
  const present = (role: Role): string | undefined => {
    const { column } = ROLE_COLUMNS[role];
    return columns.has(column) ? column : undefined;
  };
  const model: ModelTask = { name, kind: task.loss, weight: task.weight, delta: task.delta };
  switch (taskSource(name, task)) {
    case 'ctr':
      return {
        name,
        model,
        source: {
          target: ROLE_COLUMNS.click.column,
          shown: present('impression'),
          pseudo: present('impression') === undefined ? undefined : present('finalCtr'),
          traffic: present('ctrTraffic'),
          probability: true,
        },
        prediction: { kind: 'probability' },
        shownOnly: true,
      };
    case 'cqs':
      return resolveCqs(name, task, model, features);
    case 'teacher':
      return resolveTeacher(name, task, model, present('ctrTraffic'));
    default:
      return resolveLabel(name, task, model, present('impression'));
  }
}

function resolveCqs(name: string, task: TaskConfig, model: ModelTask, features: FeatureMap): ResolvedTask {
  if (features.cqs === null) {
    throw new PrerankError('COLUMN_MISSING', 'task cqs needs the role cqs', { path: 'data.columns.cqs' });
  }
  const { mean, std } = features.cqs;
  const scale = (task.scale ?? DEFAULT_CQS_SCALE) / (std > 0 ? std : 1);
  return {
    name,
    model,
    source: { target: ROLE_COLUMNS.cqs.column, shift: mean, scale },
    prediction: { kind: 'value', scale, shift: mean },
    shownOnly: false,
  };
}

function resolveTeacher(name: string, task: TaskConfig, model: ModelTask, traffic: string | undefined): ResolvedTask {
  const everywhere = task.mask === 'hasFinalCtr';
  if (everywhere && task.target === 'ctr') {
    throw new PrerankError(
      'CONFIG_INVALID',
      'teacher.target ctr with teacher.mask hasFinalCtr would train CTR outside its serving traffic; use mask ctrTraffic',
      { path: `tasks.${name}.mask` },
    );
  }
  return {
    name,
    model: task.target === 'ctr' ? { ...model, logitsOf: 'ctr' } : model,
    source: {
      target: ROLE_COLUMNS.finalCtr.column,
      traffic: everywhere ? undefined : traffic,
      probability: true,
    },
    prediction: { kind: 'probability' },
    shownOnly: false,
  };
}

function resolveLabel(name: string, task: TaskConfig, model: ModelTask, impression: string | undefined): ResolvedTask {
  const label = task.label ?? name;
  const role = Object.hasOwn(ROLE_COLUMNS, label) ? (label as Role) : undefined;
  const shownOnly = role !== undefined && SHOWN_ROLES.has(role);
  return {
    name,
    model,
    source: {
      target: role === undefined ? `label.${label}` : ROLE_COLUMNS[role].column,
      traffic: shownOnly ? impression : undefined,
      probability: task.loss === 'bce',
    },
    prediction: task.loss === 'bce' ? { kind: 'probability' } : { kind: 'value', scale: 1, shift: 0 },
    shownOnly,
  };
}

/** The predictions of a task from the outputs of its head, in float64. */
export function toPredictions(task: Pick<ResolvedTask, 'prediction'>, outputs: Float32Array): Float64Array {
  const { prediction } = task;
  if (prediction.kind === 'probability') {
    return Float64Array.from(outputs, sigmoid);
  }
  return Float64Array.from(outputs, (value) => value / prediction.scale + prediction.shift);
}

/** Stable for any argument. */
function sigmoid(a: number): number {
  if (a >= 0) {
    return 1 / (1 + Math.exp(-a));
  }
  const e = Math.exp(a);
  return e / (1 + e);
}
