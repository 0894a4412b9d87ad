/** What PWiseR is worth beside the cross entropies, where clicks are meant and where three in ten are accidents (multitask.md §7; reproduction.md §5). */
import type { ConfigInput } from '../config/schema.js';
import {
  ACCIDENTAL_CLICKS,
  CONVERSION_TASKS,
  CONVERSION_TRAINING,
  conversionData,
  conversionWorld,
  EMBEDDING_DIM,
} from './conversion-world.js';
import type { ModelMeasureName } from './model-measures.js';
import { armsOf, type ModelPlan, type ModelStudy } from './model-study.js';
import type { RowPlan } from './study.js';

type Pwiser = NonNullable<NonNullable<ConfigInput['training']>['pwiser']>;

const HEADS = ['ctr', 'ctcvr'] as const;

const KINDS = ['mmoe', 'esmm'] as const;

function pwiser(head: Pwiser['head']): Pwiser {
  return { weight: 0.1, head, space: 'logit', clickMargin: 0.5, impressionMargin: 1, pairNorm: 'mean' };
}

const named = (kind: string, head: string): string => `${kind}, PWiseR on ${head}`;

const MODELS: Readonly<Record<string, ModelPlan>> = Object.fromEntries(
  KINDS.flatMap((kind) => {
    const model = { kind, embeddingDim: EMBEDDING_DIM };
    const added = HEADS.map((head) => [named(kind, head), { model, training: { pwiser: pwiser(head) } }] as const);
    return [[kind, { model }] as const, ...added];
  }),
);

const NOISY = 'three clicks in ten are accidents';
const CLEAN = 'all clicks are meant';

const arms = Object.keys(MODELS);

function rowsIn(world: string, ctcvrSign: RowPlan['sign']): RowPlan<ModelMeasureName>[] {
  return KINDS.flatMap((kind) =>
    HEADS.flatMap((head) =>
      (['ctcvrAuc', 'cvrAuc', 'ctrAuc'] as const).map((measure) => ({
        table: 'pwiser',
        row: `${world}: ${named(kind, head)}`,
        measure,
        control: { world, arm: kind },
        treatment: { world, arm: named(kind, head) },
        paper: measure === 'ctcvrAuc' && ctcvrSign === 1 ? 'up' : null,
        sign: measure === 'ctcvrAuc' ? ctcvrSign : null,
        required: false,
      })),
    ),
  );
}

export const PWISER: ModelStudy = {
  kind: 'models',
  name: 'pwiser',
  title: 'PWiseR beside the cross entropies, with clean and noisy clicks',
  text:
    'Two models with and without PWiseR (weight .1, margins .5 and 1 in logits, on the click score or on the score of click and conversion). Evaluation clicks are as noisy as those ' +
    'trained on; accidents never convert, so CTCVR is judged without noise. Expected: CTCVR gains where clicks are noisy, and does not change where they are not.',
  data: conversionData,
  tasks: CONVERSION_TASKS,
  training: CONVERSION_TRAINING,
  models: MODELS,
  arms: armsOf(MODELS),
  worlds: [
    { name: NOISY, simulation: conversionWorld(ACCIDENTAL_CLICKS), arms },
    { name: CLEAN, simulation: conversionWorld(), arms },
  ],
  shown: ['ctcvrAuc', 'cvrAuc', 'ctrAuc'],
  rows: [...rowsIn(NOISY, 1), ...rowsIn(CLEAN, null)],
};
