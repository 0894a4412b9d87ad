/** From the graph of a model to its training and prediction programs. */
import { PrerankError } from '../base/errors.js';
import type { PwiserConfig } from '../config/types.js';
import type { FeatureMap } from '../data/features.js';
import { compile, everyRow, type Graph, type TaskLoss, type Value } from '../graph/index.js';
import { pwiser } from '../losses/pwiser.js';
import type { FeatureInputs, InputDomain } from './features.js';
import type { Gate } from './mixture.js';
import type { Architecture, ModelTask, PredictionOptions } from './model.js';
import { sampledLogit } from './sampled.js';

/** A term of the loss that is the model's own: λ · the mean of `value` over the rows that train a task. */
export interface LossTerm {
  readonly name: string;
  readonly weight: number;
  /** row [1]. */
  readonly value: Value;
  /** Name of the task whose rows it takes. */
  readonly rows: string;
}

export interface BuiltModel {
  readonly graph: Graph;
  readonly inputs: FeatureInputs;
  /** By task with an output of its own, row [1]: its logit, its value, or the log of its ratio. */
  readonly outputs: Readonly<Record<string, Value>>;
  readonly terms?: readonly LossTerm[];
  readonly gates?: readonly Gate[];
}

/** `userDomain`: request, when user features are to run once per request. `weights`: of parameters that no longer change. */
export type BuildModel<Config> = (
  config: Config,
  features: FeatureMap,
  tasks: readonly ModelTask[],
  userDomain: InputDomain,
  weights?: PredictionOptions['weights'],
) => BuiltModel;

interface NamedLoss extends TaskLoss {
  /** Task whose rows and target it takes. */
  readonly source: string;
}

/** One loss per task that has one, in the order of the tasks, then the model's own. */
function losses(tasks: readonly ModelTask[], { outputs, terms = [] }: BuiltModel): NamedLoss[] {
  const ofTasks = tasks.flatMap((task): NamedLoss[] => {
    const { name, kind, weight, delta, logitsOf, lossless } = task;
    const output = outputs[logitsOf ?? name];
    if (output === undefined || lossless) return [];
    return [{ name, kind, weight, delta, logits: sampledLogit(output, task), source: name }];
  });
  const own = terms.map(
    ({ name, weight, value, rows }): NamedLoss => ({
      name,
      kind: 'mean',
      weight,
      delta: 1,
      logits: value,
      source: rows,
    }),
  );
  return [...ofTasks, ...own];
}

/** PWiseR's terms, one per head; the pairs are of rows that train ctr and ctcvr. */
function pwiserTerms(config: PwiserConfig, tasks: readonly ModelTask[], outputs: BuiltModel['outputs']): LossTerm[] {
  const trained = tasks.filter(({ lossless }) => !lossless);
  const numbers = (['first', 'both'] as const).map((place) => trained.findIndex((task) => task.place === place));
  const [condition = -1, event = -1] = numbers;
  const [ctr, ctcvr] = [trained[condition], trained[event]];
  if (ctr === undefined || ctcvr === undefined) {
    throw new PrerankError('CONFIG_INVALID', 'PWiseR compares conversions with clicks: name the tasks ctr and ctcvr', {
      path: 'training.pwiser',
    });
  }
  const {
    weight,
    head,
    space,
    clickMargin: nearMargin,
    impressionMargin: plainMargin,
    pairNorm: norm,
    surrogate,
  } = config;
  const heads = head === 'both' ? [ctr, ctcvr] : [head === 'ctr' ? ctr : ctcvr];
  return heads.flatMap(({ name: task }): LossTerm[] => {
    const logit = outputs[task];
    if (logit === undefined) return [];
    const name = `pwiser.${task}`;
    const value = pwiser(logit, space, { event, condition, nearMargin, plainMargin, norm, surrogate }, name);
    return [{ name, weight, value, rows: ctcvr.name }];
  });
}

export function defineModel<Config>(kind: string, build: BuildModel<Config>): Architecture<Config> {
  return {
    kind,
    training(config, features, tasks, { balancing, pwiser: pairs } = {}) {
      const built = build(config, features, tasks, 'row');
      const { graph, inputs, outputs } = built;
      const pairwise = pairs === undefined ? [] : pwiserTerms(pairs, tasks, outputs);
      const terms = [...(built.terms ?? []), ...pairwise];
      if (balancing !== undefined && balancing.kind !== 'fixed' && terms.length > 0) {
        throw new PrerankError(
          'CONFIG_INVALID',
          `model ${kind} adds ${terms.map(({ name }) => name).join(', ')} to the loss, which ${balancing.kind} does not weigh; use training.balancing.kind: fixed`,
          { path: 'training.balancing.kind' },
        );
      }
      const found = losses(tasks, { ...built, terms });
      const lowered = compile({ graph, outputs, losses: found, balancing });
      return inputs.program(
        lowered,
        found.map(({ source }) => source),
      );
    },
    prediction(config, features, tasks, { requestDomain, weights } = {}) {
      const { graph, inputs, outputs } = build(config, features, tasks, requestDomain ? 'request' : 'row', weights);
      return inputs.program(compile({ graph, outputs }), []);
    },
    gating(config, features, tasks) {
      const { graph, inputs, gates = [] } = build(config, features, tasks, 'row');
      if (gates.length === 0) return null;
      const outputs = Object.fromEntries(
        gates.map(({ name, weights }) => [name, weights.domain === 'none' ? everyRow(weights) : weights]),
      );
      return {
        program: inputs.program(compile({ graph, outputs }), []),
        experts: new Map(gates.map(({ name, experts }) => [name, experts])),
        connections: new Set(gates.filter(({ connections }) => connections).map(({ name }) => name)),
      };
    },
    sides: () => null,
  };
}
