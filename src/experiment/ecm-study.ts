/** Pre-ranking models on whole candidate lists: the rows of table 2 of ECM (CIKM 2022; preranking.md §10). */
import type { ConfigInput } from '../config/schema.js';
import {
  AD_FIELDS,
  BATCH_SIZE,
  CHAIN_TRAINING,
  chainData,
  chainWorld,
  EMBEDDING_DIM,
  USER_FIELDS,
} from './chain-world.js';
import type { Score } from './judge-ranking.js';
import type { ModelMeasureName } from './model-measures.js';
import type { ModelArm, ModelPlan, ModelStudy } from './model-study.js';
import type { RowPlan } from './study.js';

type Tasks = NonNullable<ConfigInput['tasks']>;

const WORLD = 'candidate lists';

const size = { embeddingDim: EMBEDDING_DIM };

/** Clicks of exposed candidates alone; over the entire chain; the chain's two events, beside which ESMM's code learns clicks of the exposed. */
const EXPOSED: Tasks = { ctr: { augmented: 'none' } };
const CLICKS: Tasks = { etctr: {} };
const CHAIN: Tasks = { etr: {}, ctr: {}, etctr: {} };
const CHAIN_WITH_CTR: Tasks = { etr: {}, ctr: { weight: 1 }, etctr: {} };

/** Keeps half of the fields, as the paper does; the regulariser is divided by the rows of a batch. */
function fscd(head: { readonly head?: 'softmax' }): ModelPlan['model'] {
  const complexity = { weight: 1 / BATCH_SIZE };
  return { kind: 'fscd', ...size, ...head, complexity, selection: { keep: 11 } };
}

const MODELS = {
  'vector-product': {
    model: { kind: 'vector-product', ...size, fields: [...USER_FIELDS, ...AD_FIELDS] },
    tasks: CLICKS,
  },
  'fscd*': { model: fscd({}), tasks: EXPOSED },
  fscd: { model: fscd({}), tasks: CLICKS },
  'fscd, softmax': { model: fscd({ head: 'softmax' }), tasks: CHAIN },
  'cold*': { model: { kind: 'cold', ...size }, tasks: EXPOSED },
  cold: { model: { kind: 'cold', ...size }, tasks: CLICKS },
  'cold, softmax': { model: { kind: 'cold', ...size, head: 'softmax' }, tasks: CHAIN },
  esmm: { model: { kind: 'esmm', ...size, net: { hidden: [128, 64, 32] } }, tasks: CHAIN_WITH_CTR },
  ecm: { model: { kind: 'ecm', ...size }, tasks: CHAIN },
  ecmm: { model: { kind: 'ecmm', ...size }, tasks: { etctr: {}, etr: {}, itr: {} } },
} as const satisfies Readonly<Record<string, ModelPlan>>;

type Model = keyof typeof MODELS;

/** AUC, GAUC, then recall of exposures and clicks at 1, 10 and 50, as published. */
const SHOWN = [
  'exposedAuc',
  'exposedGauc',
  'exposureRecall1',
  'clickRecall1',
  'exposureRecall10',
  'clickRecall10',
  'exposureRecall50',
  'clickRecall50',
] as const satisfies readonly ModelMeasureName[];

interface Published extends ModelArm {
  readonly model: Model;
  readonly score: Score;
  /** In the order of SHOWN. */
  readonly figures: readonly number[];
}

const ARMS = {
  'cold*': {
    model: 'cold*',
    score: 'ctr',
    figures: [0.6268, 0.5803, 0.0468, 0.073, 0.2854, 0.389, 0.6568, 0.7536],
  },
  'fscd*': {
    model: 'fscd*',
    score: 'ctr',
    figures: [0.6184, 0.5708, 0.0243, 0.0383, 0.2124, 0.2939, 0.6059, 0.7055],
  },
  'vector-product': {
    model: 'vector-product',
    score: 't1',
    figures: [0.5945, 0.5452, 0.0199, 0.0257, 0.1499, 0.176, 0.5217, 0.5572],
  },
  cold: { model: 'cold', score: 't1', figures: [0.6107, 0.5768, 0.0668, 0.0969, 0.4063, 0.5017, 0.81, 0.8581] },
  fscd: { model: 'fscd', score: 't1', figures: [0.6045, 0.5712, 0.0588, 0.0866, 0.3801, 0.4594, 0.7901, 0.8322] },
  'cold (t1)‡': {
    model: 'cold, softmax',
    score: 't1',
    figures: [0.6076, 0.5758, 0.0764, 0.1087, 0.4715, 0.5428, 0.8831, 0.907],
  },
  'fscd (t1)‡': {
    model: 'fscd, softmax',
    score: 't1',
    figures: [0.6022, 0.5684, 0.0581, 0.0799, 0.414, 0.4803, 0.8759, 0.8889],
  },
  'esmm (t1)': {
    model: 'esmm',
    score: 't1',
    figures: [0.6121, 0.5776, 0.0827, 0.1172, 0.4929, 0.5627, 0.893, 0.9153],
  },
  'ecm (t1)': {
    model: 'ecm',
    score: 't1',
    figures: [0.6118, 0.579, 0.0812, 0.1172, 0.4881, 0.5627, 0.8919, 0.9144],
  },
  'ecmm (t1)': {
    model: 'ecmm',
    score: 't1',
    figures: [0.6143, 0.5797, 0.0865, 0.1212, 0.5012, 0.5641, 0.8931, 0.9155],
  },
  'cold (t2)‡': {
    model: 'cold, softmax',
    score: 't2',
    figures: [0.5183, 0.5432, 0.0872, 0.087, 0.5145, 0.5374, 0.8884, 0.9056],
  },
  'fscd (t2)‡': {
    model: 'fscd, softmax',
    score: 't2',
    figures: [0.5128, 0.5399, 0.0809, 0.0784, 0.4897, 0.5053, 0.875, 0.8912],
  },
  'esmm (t2)': {
    model: 'esmm',
    score: 't2',
    figures: [0.5158, 0.5452, 0.0896, 0.089, 0.5242, 0.5535, 0.8947, 0.9114],
  },
  'ecm (t2)': {
    model: 'ecm',
    score: 't2',
    figures: [0.5148, 0.545, 0.0893, 0.0891, 0.5227, 0.5508, 0.8943, 0.9113],
  },
  'ecmm (t2)': {
    model: 'ecmm',
    score: 't2',
    figures: [0.5369, 0.5572, 0.0998, 0.1172, 0.5316, 0.5679, 0.8986, 0.9131],
  },
} as const satisfies Readonly<Record<string, Published>>;

type Arm = keyof typeof ARMS;

/** The paper's change; of RCS, of which it has a figure without numbers, its direction. */
function published(measure: ModelMeasureName, control: Arm, treatment: Arm): number | string | null {
  const index = (SHOWN as readonly ModelMeasureName[]).indexOf(measure);
  const [before, after] = [ARMS[control].figures[index], ARMS[treatment].figures[index]];
  if (before === undefined || after === undefined) return 'up';
  return Number((after - before).toFixed(4));
}

interface Comparison {
  readonly control: Arm;
  readonly treatment: Arm;
  /** Metrics that are expected to rise, and to fall. */
  readonly up: readonly ModelMeasureName[];
  readonly down?: readonly ModelMeasureName[];
  readonly required?: boolean;
}

const RECALLS = SHOWN.slice(2);

const COMPARISONS: readonly Comparison[] = [
  { control: 'cold*', treatment: 'cold', up: [...RECALLS, 'rcs'], down: ['exposedAuc'], required: true },
  { control: 'fscd*', treatment: 'fscd', up: [...RECALLS, 'rcs'], down: ['exposedAuc'], required: true },
  { control: 'fscd', treatment: 'fscd (t1)‡', up: [...RECALLS, 'rcs'] },
  { control: 'fscd', treatment: 'cold', up: RECALLS },
  { control: 'cold', treatment: 'cold (t1)‡', up: [...RECALLS, 'rcs'] },
  { control: 'cold (t1)‡', treatment: 'ecm (t1)', up: RECALLS },
  { control: 'ecm (t1)', treatment: 'ecmm (t1)', up: [...RECALLS, 'exposedAuc', 'exposedGauc', 'rcs'] },
  { control: 'ecmm (t2)', treatment: 'ecmm (t1)', up: ['clickRecall1', 'exposedAuc', 'exposedGauc'] },
  { control: 'ecmm (t1)', treatment: 'ecmm (t2)', up: ['exposureRecall1', 'exposureRecall10', 'exposureRecall50'] },
  { control: 'vector-product', treatment: 'fscd', up: RECALLS, required: true },
  { control: 'vector-product', treatment: 'cold', up: [...RECALLS, 'exposedAuc'], required: true },
  { control: 'ecm (t2)', treatment: 'ecm (t1)', up: ['clickRecall1', 'exposedAuc', 'exposedGauc'] },
  { control: 'ecm (t1)', treatment: 'ecm (t2)', up: ['exposureRecall1', 'exposureRecall10', 'exposureRecall50'] },
  { control: 'esmm (t2)', treatment: 'esmm (t1)', up: ['clickRecall1', 'exposedAuc', 'exposedGauc'] },
  { control: 'esmm (t1)', treatment: 'esmm (t2)', up: ['exposureRecall1', 'exposureRecall10', 'exposureRecall50'] },
];

function rowsOf({ control, treatment, up, down = [], required = false }: Comparison): RowPlan<ModelMeasureName>[] {
  const row = (measure: ModelMeasureName, sign: 1 | -1): RowPlan<ModelMeasureName> => ({
    table: 'ecm',
    row: `${treatment} against ${control}`,
    measure,
    control: { world: WORLD, arm: control },
    treatment: { world: WORLD, arm: treatment },
    paper: published(measure, control, treatment),
    sign,
    required,
  });
  return [...up.map((measure) => row(measure, 1)), ...down.map((measure) => row(measure, -1))];
}

export const ECM: ModelStudy = {
  kind: 'models',
  name: 'ecm',
  title: 'Pre-ranking models on whole candidate lists',
  text:
    'Models of clicks on exposed candidates alone (*), of clicks over the entire chain, and of exposure and click (‡: by a softmax), each judged by every score that it has: t1, ' +
    "exposed and clicked, and t2, exposed and not clicked. AUC and GAUC are of clicks among exposed candidates, recall and RCS over all. The paper's figures are differences on its own log.",
  data: chainData,
  tasks: CHAIN,
  training: CHAIN_TRAINING,
  models: MODELS,
  arms: ARMS,
  worlds: [{ name: WORLD, simulation: chainWorld(), arms: Object.keys(ARMS) }],
  shown: [...SHOWN, 'rcs'],
  rows: COMPARISONS.flatMap(rowsOf),
};
