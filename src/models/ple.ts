/**
 * Progressive layered extraction (Tang et al. 2020): levels of shared experts and of experts of each task. A task's gate
 * mixes its own experts with the shared ones, the shared gate all of them; the results are the next level's inputs. The last
 * level has no shared gate. One level is CGC.
 *
 * Parameters: `bottom.<i>`, `projections.<feature>`; in `levels.<l>`: `shared.experts.<i>.<layer>`, `shared.gate`,
 * `tasks.<task>.experts.<i>.<layer>`, `tasks.<task>.gate`; `towers.<task>.<i>`, `embeddings.<table>`.
 */
import type { PleConfig } from '../config/models.js';
import { Graph, type Value } from '../graph/index.js';
import { headsOf, withDerived } from './conversion.js';
import { type BuildModel, defineModel } from './define.js';
import { FeatureInputs } from './features.js';
import { sharedFields } from './fields.js';
import { experts, Mixtures } from './mixture.js';
import { towers } from './towers.js';

/** What a level reads or gives: of each task, by name, and of the shared experts. */
interface Level {
  readonly tasks: ReadonlyMap<string, Value>;
  readonly shared: Value;
}

const build: BuildModel<PleConfig> = (config, features, tasks, userDomain) => {
  const { levels, taskMode, gates } = config;
  const graph = new Graph();
  const inputs = new FeatureInputs(graph, features);
  const x = sharedFields(inputs, features, userDomain, config);
  const heads = headsOf(taskMode, tasks);
  const mixtures = new Mixtures(gates);

  const extract = (from: Level, level: PleConfig['levels'][number], isLast: boolean): Level => {
    const shared = experts(from.shared, 'shared.experts', level.shared, level);
    const own = new Map(
      [...from.tasks].map(([name, input]) => [name, experts(input, `tasks.${name}.experts`, level.perTask, level)]),
    );
    const mixed = [...from.tasks].map(([name, input]): [string, Value] => [
      name,
      mixtures.mix(input, `tasks.${name}.gate`, [...(own.get(name) ?? []), ...shared]),
    ]);
    const all = [...[...own.values()].flat(), ...shared];
    return {
      tasks: new Map(mixed),
      shared: isLast ? from.shared : mixtures.mix(from.shared, 'shared.gate', all),
    };
  };

  const first: Level = { tasks: new Map(heads.map(({ name }) => [name, x])), shared: x };
  const last = levels.reduce(
    (from, level, l) => graph.scope(`levels.${l}`, () => extract(from, level, l === levels.length - 1)),
    first,
  );
  const outputs = towers(graph, heads, config.towers, ({ name }) => last.tasks.get(name) ?? x);
  return { graph, inputs, outputs: withDerived(taskMode, tasks, outputs), gates: mixtures.gates };
};

export const ple = defineModel<PleConfig>('ple', build);
