/**
 * TAML (Liu et al. 2023): each task has several learners; the gate of a learner mixes general experts, experts of its task and
 * experts of its own. A task's logit is the mean of its learners' logits, pCTCVR = pCTR · pCVR. Self-distillation adds
 * α Σ_l BCE(p_t,l, p_t) for every task (β for cvr): each learner learns what all of them say together (eq. 2–3, with
 * (1 − p) log(1 − p_l), which is what the printed second factor must mean).
 *
 * Parameters: `bottom.<i>`, `projections.<feature>`, `experts.general.<i>.<layer>`, `experts.tasks.<task>.<i>.<layer>`,
 * `experts.learners.<task>.<l>.<i>.<layer>`, `gates.<task>.<l>` (no bias), `towers.<task>.<l>.<i>`, `embeddings.<table>`.
 */
import { PrerankError } from '../base/errors.js';
import type { TamlConfig } from '../config/models.js';
import { concat, Graph, mlp, type Value } from '../graph/index.js';
import { meanLogit, selfDistillation } from '../losses/self-distillation.js';
import { headsOf, withDerived } from './conversion.js';
import { type BuildModel, defineModel, type LossTerm } from './define.js';
import { FeatureInputs } from './features.js';
import { sharedFields } from './fields.js';
import { experts, Mixtures } from './mixture.js';
import type { ModelTask } from './model.js';

const MODE = 'ctr+cvr(product)';

const build: BuildModel<TamlConfig> = (config, features, tasks, userDomain) => {
  const graph = new Graph();
  const inputs = new FeatureInputs(graph, features);
  const x = sharedFields(inputs, features, userDomain, config);
  const counts = config.experts;
  const mixtures = new Mixtures();
  const general = experts(x, 'experts.general', counts.general, counts);

  const learners = (task: string): Value => {
    const ofTask = experts(x, `experts.tasks.${task}`, counts.task, counts);
    const each = Array.from({ length: config.learners }, (_, l) => {
      const own = experts(x, `experts.learners.${task}.${l}`, counts.learner, counts);
      const f = mixtures.mix(x, `gates.${task}.${l}`, [...general, ...ofTask, ...own]);
      const { hidden, dropout } = config.towers;
      return mlp(f, `towers.${task}.${l}`, { sizes: [...hidden, 1], dropout });
    });
    return concat(each, `learners.${task}`);
  };

  const listed = headsOf(MODE, tasks);
  const logits = listed.map((task) => ({ task, each: learners(task.name) }));
  const heads = Object.fromEntries(logits.map(({ task, each }) => [task.name, meanLogit(each)]));
  const terms = logits.flatMap(({ task, each }) => distillation(config, tasks, task, each, heads[task.name]));
  return { graph, inputs, outputs: withDerived(MODE, tasks, heads), terms, gates: mixtures.gates };
};

/** The term of one task's learners; none without weight. */
function distillation(
  { distillation: settings }: TamlConfig,
  tasks: readonly ModelTask[],
  task: ModelTask,
  each: Value,
  together: Value | undefined,
): LossTerm[] {
  const weight = task.place === 'next' ? settings.beta : settings.alpha;
  if (weight === 0 || together === undefined) return [];
  if (task.kind !== 'bce') {
    throw new PrerankError(
      'CONFIG_INVALID',
      `taml distils probabilities, and task ${task.name} predicts none; leave it out or set model.distillation.alpha: 0`,
      { path: `tasks.${task.name}` },
    );
  }
  const everywhere = task.place === 'next' && settings.cvrRows === 'impressions' ? 'both' : task.place;
  const rows = tasks.find(({ place }) => place !== undefined && place === everywhere) ?? task;
  const name = `distillation.${task.name}`;
  return [{ name, weight, value: selfDistillation(each, together, settings, name), rows: rows.name }];
}

export const taml = defineModel<TamlConfig>('taml', build);
