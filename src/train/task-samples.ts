/** What sampling by stage kept of the rows of each task, for `data.sampling.weight: logit`. */
import { PrerankError } from '../base/errors.js';
import {
  type ResolvedConfig,
  type SamplingConfig,
  STAGES,
  type Stage,
  type TaskConfig,
  type TaskSourceKind,
  taskSource,
} from '../config/types.js';
import type { Dataset } from '../data/dataset.js';
import { ROLE_COLUMNS } from '../data/features.js';
import type { Sample, TaskSample } from '../models/model.js';

/** Rows of a task by the furthest stage that they reached: those from `from` on, of which those from `event` on have the event. */
interface StageRange {
  readonly from: Stage;
  readonly event: Stage;
}

function rangeOf(kind: TaskSourceKind | undefined, { augmented }: TaskConfig, shown: Stage): StageRange | undefined {
  switch (kind) {
    case 'etr':
    case 'itr':
      return { from: 'retrieved', event: 'impression' };
    case 'dropped':
      return { from: 'retrieved', event: 'early' };
    case 'etctr':
      return { from: 'retrieved', event: 'click' };
    case 'ctr':
      return augmented === 'none' || shown === 'retrieved' ? { from: shown, event: 'click' } : undefined;
    case 'ctcvr':
      return { from: shown, event: 'conversion' };
    case 'cvr':
      return { from: 'click', event: 'conversion' };
    default:
      return undefined;
  }
}

/** Rows of each stage: as many as the sample has, and as many as they stand for. */
function samplesByStage({ stages }: SamplingConfig, furthest: ArrayLike<number>): Sample[] {
  const kept = new Float64Array(STAGES.length);
  for (let row = 0; row < furthest.length; row += 1) kept[furthest[row] ?? 0] = (kept[furthest[row] ?? 0] ?? 0) + 1;
  return STAGES.map((stage, i) => {
    const count = kept[i] ?? 0;
    return { kept: count, raw: count === 0 ? 0 : count / stages[stage] };
  });
}

function sumOf(samples: readonly Sample[]): Sample {
  const sum = (name: keyof Sample): number => samples.reduce((total, sample) => total + sample[name], 0);
  return { kept: sum('kept'), raw: sum('raw') };
}

/**
 * Of every task, what was kept of its rows with the event and of those without, for a training set that was sampled with `weight: logit`;
 * of any other, nothing. Stages with other rates that are one class count by their rows.
 * @throws PrerankError CONFIG_INVALID for a task whose labels the stages do not tell, or with rows of one kind only.
 */
export function taskSamples(
  { tasks, data }: Pick<ResolvedConfig, 'tasks' | 'data'>,
  set: Pick<Dataset, 'description' | 'column'>,
): ReadonlyMap<string, TaskSample> {
  const sampling = set.description.config.sampling as SamplingConfig | undefined;
  if (sampling?.weight !== 'logit') return new Map();
  const invalid = (name: string, reason: string): PrerankError =>
    new PrerankError('CONFIG_INVALID', `data.sampling.weight logit: task ${name} ${reason}`, {
      path: 'data.sampling.weight',
    });
  const byStage = samplesByStage(sampling, set.column(ROLE_COLUMNS.stage.column));
  const shown = data.columns.impression === undefined ? 'retrieved' : 'impression';
  const found = Object.entries(tasks).map(([name, task]): [string, TaskSample] => {
    const kind = taskSource(name, task);
    const range = rangeOf(kind, task, shown);
    if (range === undefined) throw invalid(name, 'learns labels that stages do not tell; use inverse');
    const event = STAGES.indexOf(range.event);
    const parts = [byStage.slice(event), byStage.slice(STAGES.indexOf(range.from), event)].map(sumOf);
    const [positives, negatives] = (kind === 'itr' || kind === 'dropped' ? parts.reverse() : parts) as [Sample, Sample];
    if (positives.kept === 0 || negatives.kept === 0) throw invalid(name, 'has no rows of one of its two kinds');
    return [name, { positives, negatives }];
  });
  return new Map(found);
}
