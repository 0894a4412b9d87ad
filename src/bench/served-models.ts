/** The pre-ranking models that serving is compared for, on 22 single-valued fields as ECM (CIKM 2022) has them: 6 of the user, 6 of the ad, 10 that cross them. */
import { loadConfig } from '../config/load.js';
import type { ConfigInput } from '../config/schema.js';
import type { Side } from '../config/types.js';
import type { Feature, FeatureMap } from '../data/features.js';
import type { ModelProgram } from '../models/model.js';
import { predictionProgram } from '../models/registry.js';
import { taskModels } from '../train/tasks.js';

const DIM = 8;
const TABLE_ROWS = 100_000;

const FIELDS: Readonly<Record<Side, number>> = { user: 6, ad: 6, context: 10 };

const named = (side: Side, count: number): string[] => Array.from({ length: count }, (_, i) => `${side}_${i}`);

const ALL = (['user', 'ad', 'context'] as const).flatMap((side) => named(side, FIELDS[side]));

const WITHOUT_CROSSES = [...named('user', FIELDS.user), ...named('ad', FIELDS.ad)];

/** Every second field: three of the user, three of the ad, five crosses. */
const HALF = ALL.filter((_, i) => i % 2 === 0);

/** Features of all models, each with a table of its own. */
export function servedFeatures(): FeatureMap {
  const feature = (name: string): Feature => {
    const side = name.split('_')[0] as Side;
    return { name, side, source: name, column: `feature.${name}`, kind: 'categorical', table: name, pooling: 'sum' };
  };
  return {
    version: 1,
    features: ALL.map(feature),
    tables: ALL.map((name) => ({
      name,
      rows: TABLE_ROWS,
      dim: DIM,
      mapping: { kind: 'hash', valueType: 'int', buckets: TABLE_ROWS },
    })),
    cqs: null,
  };
}

/** As published: requests a second, TP99 in milliseconds, share of the processor; null where the table has no such column. */
export interface PublishedServing {
  readonly qps: number;
  readonly tp99: number;
  readonly cpu: number | null;
}

export interface ServedModel {
  readonly name: string;
  readonly model: NonNullable<ConfigInput['model']>;
  readonly tasks: NonNullable<ConfigInput['tasks']>;
  readonly paper: PublishedServing;
}

const CLICKS = { etctr: {} };
const ECMM = { etctr: {}, etr: {}, itr: {} };
const CHAIN = { etr: {}, ctr: {}, etctr: {} };

/** Tables 3 and 4 of the paper; the first is what the others are held against. */
export const SERVED_MODELS: readonly ServedModel[] = [
  {
    name: 'vector-product',
    model: { kind: 'vector-product', embeddingDim: DIM, fields: WITHOUT_CROSSES },
    tasks: CLICKS,
    paper: { qps: 12_243, tp99: 0.874, cpu: 0.24 },
  },
  {
    name: 'cold',
    model: { kind: 'cold', embeddingDim: DIM },
    tasks: CLICKS,
    paper: { qps: 2122, tp99: 1.823, cpu: 0.58 },
  },
  {
    name: 'fscd, half of the fields',
    model: { kind: 'fscd', embeddingDim: DIM, phase: 'tune', fields: HALF },
    tasks: CLICKS,
    paper: { qps: 3763, tp99: 1.423, cpu: 0.47 },
  },
  {
    name: 'esmm',
    model: { kind: 'esmm', embeddingDim: DIM, net: { hidden: [128, 64, 32] } },
    tasks: CHAIN,
    paper: { qps: 1608, tp99: 2.301, cpu: 0.74 },
  },
  {
    name: 'ecm',
    model: { kind: 'ecm', embeddingDim: DIM },
    tasks: CHAIN,
    paper: { qps: 1861, tp99: 2.194, cpu: 0.66 },
  },
  {
    name: 'ecm, half of the fields',
    model: { kind: 'ecm', embeddingDim: DIM, fields: HALF },
    tasks: CHAIN,
    paper: { qps: 1977, tp99: 2.018, cpu: null },
  },
  {
    name: 'ecmm, without L0',
    model: { kind: 'ecmm', embeddingDim: DIM },
    tasks: ECMM,
    paper: { qps: 1226, tp99: 2.403, cpu: null },
  },
];

/** The prediction program of a model, with the user's side once per request. */
export function servedProgram({ model, tasks }: ServedModel, features: FeatureMap): ModelProgram {
  const fields = (side: Side) =>
    features.features.flatMap(({ name, side: own }) => (own === side ? [{ name, kind: 'categorical' as const }] : []));
  const config = loadConfig({
    data: {
      train: 'generated',
      columns: { impression: 'impression', click: 'click' },
      features: { user: fields('user'), ad: fields('ad'), context: fields('context') },
    },
    model,
    tasks,
  });
  const found = taskModels(config, features).map((task) => task.model);
  return predictionProgram(config.model, features, found, { requestDomain: true });
}
