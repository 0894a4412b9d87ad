/** What a run reports of how its tasks are weighed, and of how their gradients agree. */
import { LOG_VARIANCES } from '../graph/index.js';
import type { BalanceReport, NativeParameterStore } from '../runtime/native.js';
import type { Plan } from '../runtime/plan.js';

export interface BalancingFigures {
  /** Factor on λ · loss of each task (uncertainty), or on its gradient of shared parameters, in the last step. */
  readonly weights: Readonly<Record<string, number>>;
  /** uncertainty: s = log σ² of each task, after the last step. */
  readonly logVariances?: Readonly<Record<string, number>>;
}

/** Gradients of the shared dense parameters, each task's weighted as in the total loss. */
export interface GradientFigures {
  readonly norm: Readonly<Record<string, number>>;
  /** By pair, `ctr/cqs`; null where one is zero, as that of a task without rows in the batch. */
  readonly cosine: Readonly<Record<string, number | null>>;
}

type TaskPlan = Pick<Plan, 'tasks' | 'balancing'>;

/** A name for each logits: its tasks, joined by `+`. */
export function logitsNames({ tasks }: TaskPlan): string[] {
  const names: string[] = [];
  for (const { name, logits } of tasks) {
    names[logits] = names[logits] === undefined ? name : `${names[logits]}+${name}`;
  }
  return names;
}

/** @returns null for a plan without balancing. */
export function balancingFigures(
  plan: TaskPlan,
  report: BalanceReport | null,
  store: Pick<NativeParameterStore, 'read'>,
): BalancingFigures | null {
  if (report === null || plan.balancing === undefined) return null;
  const byName = (names: readonly string[], values: ArrayLike<number>) =>
    Object.fromEntries(names.map((name, i) => [name, values[i] ?? Number.NaN]));
  if (plan.balancing.kind !== 'uncertainty') return { weights: byName(logitsNames(plan), report.weights) };
  const names = plan.tasks.map(({ name }) => name);
  return { weights: byName(names, report.weights), logVariances: byName(names, store.read(LOG_VARIANCES)) };
}

/** @param gram dot products, [logits, logits]. */
export function gradientFigures(plan: TaskPlan, gram: Float64Array): GradientFigures {
  const names = logitsNames(plan);
  const product = (i: number, j: number): number => gram[i * names.length + j] ?? 0;
  const norm = names.map((_, i) => Math.sqrt(product(i, i)));
  const cosine: Record<string, number | null> = {};
  for (const [i, first] of names.entries()) {
    for (const [j, second] of names.entries()) {
      if (j <= i) continue;
      const scale = (norm[i] ?? 0) * (norm[j] ?? 0);
      cosine[`${first}/${second}`] = scale > 0 ? product(i, j) / scale : null;
    }
  }
  return { norm: Object.fromEntries(names.map((name, i) => [name, norm[i] ?? 0])), cosine };
}
