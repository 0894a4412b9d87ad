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

/** A batch of 500 rows has two conversions, so that with λ = .1 each weighs 25 times as much in the pairs as in a cross entropy; with .001, a quarter. */
interface Variant {
  readonly kind: 'mmoe' | 'esmm';
  readonly head: 'ctr' | 'ctcvr';
  readonly weight: number;
}

const VARIANTS: readonly Variant[] = [
  { kind: 'mmoe', head: 'ctr', weight: 0.1 },
  { kind: 'mmoe', head: 'ctcvr', weight: 0.1 },
  { kind: 'esmm', head: 'ctr', weight: 0.1 },
  { kind: 'esmm', head: 'ctcvr', weight: 0.1 },
  { kind: 'esmm', head: 'ctr', weight: 0.001 },
  { kind: 'esmm', head: 'ctcvr', weight: 0.001 },
];

function pwiser({ head, weight }: Variant): Pwiser {
  return { weight, head, space: 'logit', clickMargin: 0.5, impressionMargin: 1, pairNorm: 'mean' };
}

const named = ({ kind, head, weight }: Variant): string => `${kind}, ${weight} PWiseR on ${head}`;

const modelOf = (kind: Variant['kind']): ModelPlan['model'] => ({ kind, embeddingDim: EMBEDDING_DIM });

const MODELS: Readonly<Record<string, ModelPlan>> = {
  mmoe: { model: modelOf('mmoe') },
  esmm: { model: modelOf('esmm') },
  ...Object.fromEntries(
    VARIANTS.map((variant) => [
      named(variant),
      { model: modelOf(variant.kind), training: { pwiser: pwiser(variant) } },
    ]),
  ),
};

const NOISY = 'three clicks in ten are accidents';
const CLEAN = 'all clicks are meant';

const arms = Object.keys(MODELS);

function rowsIn(world: string, ctcvrSign: RowPlan['sign']): RowPlan<ModelMeasureName>[] {
  return VARIANTS.flatMap((variant) =>
    (['ctcvrAuc', 'cvrAuc', 'ctrAuc'] as const).map((measure) => ({
      table: 'pwiser',
      row: `${world}: ${named(variant)}`,
      measure,
      control: { world, arm: variant.kind },
      treatment: { world, arm: named(variant) },
      paper: measure === 'ctcvrAuc' && ctcvrSign === 1 ? 'up' : null,
      sign: measure === 'ctcvrAuc' ? ctcvrSign : null,
      required: false,
    })),
  );
}

export const PWISER: ModelStudy = {
  kind: 'models',
  name: 'pwiser',
  title: 'PWiseR beside the cross entropies, with clean and noisy clicks',
  text:
    'Two models with and without PWiseR (weight .1 or .001, margins .5 and 1 in logits, on the click score or on the score of click and conversion). Evaluation clicks are as noisy as those ' +
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
