/**
 * Adaptive information transfer multi-task model (Xi et al. 2021, eq. 3–9). Task t of the sequence has a bottom MLP q_t, k wide;
 * from the task before comes p_t−1 = ReLU(g z_t−1). With u over these two tokens, weights softmax_u(⟨h1 u, h2 u⟩ / √k) and
 * z_t = Σ_u weight_u h3 u; z_1 = q_1. Probabilities are σ(w_t z_t + b_t); p(click ∧ conversion) is predicted directly.
 * The calibrator adds α · mean(max(p_t − p_t−1, 0)): a later event is no more likely than an earlier one.
 *
 * Parameters: `bottom.<i>`, `projections.<feature>`, `bottoms.<task>.<i>`, `transfer.<task>.info`, `.h1`, `.h2`, `.h3`
 * (no bias), `heads.<task>`, `embeddings.<table>`.
 */
import { PrerankError } from '../base/errors.js';
import type { AitmConfig } from '../config/models.js';
import {
  affine,
  concat,
  Graph,
  linear,
  linearWith,
  mlp,
  rowDot,
  softmax,
  type Value,
  weightedSum,
} from '../graph/index.js';
import { calibrator } from '../losses/calibrator.js';
import { headsOf, type Outputs, withDerived } from './conversion.js';
import { type BuildModel, defineModel, type LossTerm } from './define.js';
import { FeatureInputs } from './features.js';
import { sharedFields } from './fields.js';
import type { ModelTask } from './model.js';

const MODE = 'ctr+ctcvr';

const build: BuildModel<AitmConfig> = (config, features, tasks, userDomain) => {
  const sequence = headsOf(MODE, tasks);
  checkSequence(sequence);
  const graph = new Graph();
  const inputs = new FeatureInputs(graph, features);
  const x = sharedFields(inputs, features, userDomain, config);
  const { hidden, dropout } = config.bottoms;
  const heads: Record<string, Value> = {};
  let before: Value | undefined;
  for (const { name } of sequence) {
    const q = mlp(x, `bottoms.${name}`, { sizes: hidden, last: 'relu', dropout });
    const previous = before;
    const z: Value = previous === undefined ? q : graph.scope(`transfer.${name}`, () => transfer(previous, q));
    heads[name] = linear(z, `heads.${name}`, { out: 1 });
    before = z;
  }
  return { graph, inputs, outputs: withDerived(MODE, tasks, heads), terms: calibrators(config, sequence, heads) };
};

/** AIT of what the task before hands on and the task's own bottom. */
function transfer(before: Value, q: Value): Value {
  const { graph, width } = q;
  const p = linear(before, 'info', { out: width, activation: 'relu' });
  const weight = (name: string): Value =>
    graph.scope(name, () => graph.parameter('weight', [width, width], { kind: 'normal', scale: Math.sqrt(1 / width) }));
  const [h1, h2, h3] = [weight('h1'), weight('h2'), weight('h3')];
  const tokens = [p, q];
  const scores = tokens.map((u, i) =>
    affine(rowDot(linearWith(u, h1, undefined), linearWith(u, h2, undefined), `score.${i}`), 1 / Math.sqrt(width), 0),
  );
  const values = tokens.map((u) => linearWith(u, h3, undefined));
  return weightedSum(softmax(concat(scores, 'scores')), concat(values, 'values'), 'z');
}

function calibrators({ calibrator: weight }: AitmConfig, sequence: readonly ModelTask[], heads: Outputs): LossTerm[] {
  if (weight === 0) return [];
  return sequence.flatMap(({ name }, t): LossTerm[] => {
    const [now, before] = [heads[name], heads[sequence[t - 1]?.name ?? '']];
    if (now === undefined || before === undefined) return [];
    const term = `calibrator.${name}`;
    return [{ name: term, weight, value: calibrator(now, before, term), rows: name }];
  });
}

function checkSequence(sequence: readonly ModelTask[]): void {
  const value = sequence.find(({ kind }) => kind !== 'bce');
  const problem =
    value !== undefined
      ? `task ${value.name} predicts no probability`
      : sequence.length < 2
        ? 'there is one task only'
        : undefined;
  if (problem === undefined) return;
  throw new PrerankError(
    'CONFIG_INVALID',
    `aitm needs a sequence of events, each one's probability below that of the one before, such as ctr and ctcvr; ${problem}`,
    { path: 'tasks' },
  );
}

export const aitm = defineModel<AitmConfig>('aitm', build);
