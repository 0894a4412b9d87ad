/**
 * Models of two sides: what their scores need of an ad depends on the ad's features alone. A server computes it once for an ad, and
 * for a request the user's side and what joins both.
 */
import type { FeatureMap } from '../data/features.js';
import { compile, concat, Graph, slice, type Value } from '../graph/index.js';
import type { Outputs } from './conversion.js';
import { type BuildModel, defineModel } from './define.js';
import { FeatureInputs, type InputDomain } from './features.js';
import type { Architecture, ModelTask } from './model.js';

/** Name of the scoring program's dense input, and of the ad program's output: an ad's vector, row [width]. */
export const AD_VECTORS = 'ad.vectors';

export interface SideContext<Config> {
  readonly config: Config;
  readonly features: FeatureMap;
  readonly tasks: readonly ModelTask[];
  readonly graph: Graph;
  readonly inputs: FeatureInputs;
}

export interface Sides<Config> {
  /** What the outputs need of an ad, row values from ad features alone. */
  ad(context: SideContext<Config>): readonly Value[];
  /** By task with an output of its own, row [1]; `ad` gives the values of the ad's side at the rows. */
  outputs(context: SideContext<Config>, userDomain: InputDomain, ad: () => readonly Value[]): Outputs;
}

export function defineSides<Config>(kind: string, sides: Sides<Config>): Architecture<Config> {
  const start = (config: Config, features: FeatureMap, tasks: readonly ModelTask[]): SideContext<Config> => {
    const graph = new Graph();
    return { config, features, tasks, graph, inputs: new FeatureInputs(graph, features) };
  };
  const build: BuildModel<Config> = (config, features, tasks, userDomain) => {
    const context = start(config, features, tasks);
    const outputs = sides.outputs(context, userDomain, () => sides.ad(context));
    return { graph: context.graph, inputs: context.inputs, outputs };
  };
  return {
    ...defineModel(kind, build),
    sides(config, features, tasks) {
      const ads = start(config, features, tasks);
      const values = sides.ad(ads);
      const vector = concat(values, AD_VECTORS);
      const scoring = start(config, features, tasks);
      const outputs = sides.outputs(scoring, 'request', () =>
        split(
          scoring.inputs.given(AD_VECTORS, vector.width),
          values.map(({ width }) => width),
        ),
      );
      return {
        ads: ads.inputs.program(compile({ graph: ads.graph, outputs: { [AD_VECTORS]: vector } }), []),
        scoring: scoring.inputs.program(compile({ graph: scoring.graph, outputs }), []),
        width: vector.width,
      };
    },
  };
}

/** Undoes `concat`. */
function split(vector: Value, widths: readonly number[]): Value[] {
  if (widths.length === 1) return [vector];
  let start = 0;
  return widths.map((width, i) => {
    const part = slice(vector, start, width, `${AD_VECTORS}.${i}`);
    start += width;
    return part;
  });
}
