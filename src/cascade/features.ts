/** What models may see of users and ads: noisy factors, activity, popularity, if wished noisy traits; and cross features. */
import type { Side } from '../config/types.js';
import { PURPOSE, type Purpose } from './random.js';
import type { TruthModel } from './truth.js';
import type { World } from './world.js';

/** `cross`: of the pair, which two towers cannot use; meant for a final-stage model. */
export type FeatureSide = Exclude<Side, 'context'> | 'cross';

export interface FeatureColumn {
  /** Name in the log. */
  readonly name: string;
  readonly side: FeatureSide;
  /** Values of candidates. */
  readonly gather: (users: Uint32Array, ads: Uint32Array) => Float32Array;
}

export const CROSS_FEATURES = ['cross_match', 'cross_first', 'cross_second'] as const;

/** The dense features of a log, user's, ad's and the pair's. */
export function createFeatures(world: World, truth: TruthModel): readonly FeatureColumn[] {
  const { users, ads, config } = world;
  const noisy = config.features.traits === 'noisy';
  const [low0, low1] = ads.low;
  const [sensitivity0, sensitivity1] = users.sensitivity;
  const ofUser = [
    ...factorColumns(world, 'user', users),
    { name: 'user_activity', values: users.activity },
    ...(noisy
      ? withNoise(world, PURPOSE.userFeatures, [
          { name: 'user_sensitivity0', values: sensitivity0 },
          { name: 'user_sensitivity1', values: sensitivity1 },
        ])
      : []),
  ];
  const ofAd = [
    ...factorColumns(world, 'ad', ads),
    { name: 'ad_popularity', values: ads.popularity },
    ...(noisy
      ? withNoise(world, PURPOSE.adFeatures, [
          { name: 'ad_bait', values: ads.bait },
          { name: 'ad_low0', values: low0 },
          { name: 'ad_low1', values: low1 },
        ])
      : []),
  ];
  return [
    ...ofUser.map(({ name, values }) => entityColumn(name, 'user', values)),
    ...ofAd.map(({ name, values }) => entityColumn(name, 'ad', values)),
    ...CROSS_FEATURES.map((name, i) => crossColumn(world, truth, name, i)),
  ];
}

interface Trait {
  readonly name: string;
  readonly values: Float32Array;
}

function factorColumns(world: World, side: 'user' | 'ad', entities: { count: number; factors: Float32Array }): Trait[] {
  const width = world.config.world.factors;
  const purpose = side === 'user' ? PURPOSE.userFeatures : PURPOSE.adFeatures;
  const { noise } = world.config.features;
  const columns = Array.from({ length: width }, () => new Float32Array(entities.count));
  const normals = new Float64Array(width);
  for (let entity = 0; entity < entities.count; entity += 1) {
    world.draws.normals(purpose, 0, entity, normals);
    for (const [i, column] of columns.entries()) {
      column[entity] = (entities.factors[entity * width + i] ?? 0) + noise * (normals[i] ?? 0);
    }
  }
  return columns.map((values, i) => ({ name: `${side}_f${i}`, values }));
}

function withNoise(world: World, purpose: Purpose, traits: readonly Trait[]): Trait[] {
  const { noise } = world.config.features;
  const normals = new Float64Array(traits.length);
  const columns = traits.map(({ values }) => Float32Array.from(values));
  for (let entity = 0; entity < (columns[0]?.length ?? 0); entity += 1) {
    world.draws.normals(purpose, 1, entity, normals);
    for (const [i, column] of columns.entries()) {
      column[entity] = (column[entity] ?? 0) + noise * (normals[i] ?? 0);
    }
  }
  return traits.map(({ name }, i) => ({ name, values: columns[i] ?? new Float32Array(0) }));
}

function entityColumn(name: string, side: 'user' | 'ad', values: Float32Array): FeatureColumn {
  return {
    name,
    side,
    gather: (users, ads) => {
      const ids = side === 'user' ? users : ads;
      const gathered = new Float32Array(ids.length);
      for (let row = 0; row < ids.length; row += 1) gathered[row] = values[ids[row] ?? 0] ?? 0;
      return gathered;
    },
  };
}

/** The noise belongs to the pair: it is the same in every request. */
function crossColumn(world: World, truth: TruthModel, name: string, index: number): FeatureColumn {
  const { noise } = world.config.features;
  const normals = new Float64Array(CROSS_FEATURES.length);
  return {
    name,
    side: 'cross',
    gather: (users, ads) => {
      const { whole, first, second } = truth.matches(users, ads);
      const exact = [whole, first, second][index] ?? whole;
      return Float32Array.from(exact, (value, row) => {
        world.draws.normals(PURPOSE.crossFeatures, users[row] ?? 0, ads[row] ?? 0, normals);
        return value + noise * (normals[index] ?? 0);
      });
    },
  };
}
