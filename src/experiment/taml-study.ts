/** The multi-task models of clicks and conversions, and what the parts of TAML are worth (multitask.md §6.5; reproduction.md §5). */
import {
  CONVERSION_TASKS,
  CONVERSION_TRAINING,
  conversionData,
  conversionWorld,
  EMBEDDING_DIM,
} from './conversion-world.js';
import type { ModelMeasureName } from './model-measures.js';
import { armsOf, type ModelPlan, type ModelStudy } from './model-study.js';
import type { ArmIn, RowPlan } from './study.js';

const WORLD = 'conversions';

const size = { embeddingDim: EMBEDDING_DIM };

const MODELS = {
  mlp: { model: { kind: 'mlp', ...size } },
  'shared-bottom': { model: { kind: 'shared-bottom', ...size } },
  mmoe: { model: { kind: 'mmoe', ...size } },
  ple: { model: { kind: 'ple', ...size } },
  esmm: { model: { kind: 'esmm', ...size } },
  aitm: { model: { kind: 'aitm', ...size } },
  taml: { model: { kind: 'taml', ...size } },
  'taml, one learner': { model: { kind: 'taml', ...size, learners: 1 } },
  'taml, no distillation': { model: { kind: 'taml', ...size, distillation: { alpha: 0, beta: 0 } } },
  'taml, general experts': { model: { kind: 'taml', ...size, experts: { general: 3, task: 0, learner: 0 } } },
} as const satisfies Readonly<Record<string, ModelPlan>>;

type Model = keyof typeof MODELS;

const arm = (name: Model): ArmIn => ({ world: WORLD, arm: name });

type Claim = Pick<RowPlan<ModelMeasureName>, 'measure' | 'paper' | 'sign' | 'required'>;

function rowsOf(row: string, control: Model, treatment: Model, claims: readonly Claim[]): RowPlan<ModelMeasureName>[] {
  return claims.map((claim) => ({ table: 'taml', row, control: arm(control), treatment: arm(treatment), ...claim }));
}

const MEASURES = ['ctrAuc', 'cvrAuc', 'ctcvrAuc'] as const satisfies readonly ModelMeasureName[];

type ConversionMeasure = (typeof MEASURES)[number];

/** AUC of CTR, CVR and CTCVR on Ali-CCP as TAML's table 2 has them. */
const PUBLISHED: Readonly<Partial<Record<Model, readonly [ctr: number, cvr: number, ctcvr: number]>>> = {
  mlp: [0.6034, 0.6519, 0.6207],
  mmoe: [0.6026, 0.6703, 0.64],
  ple: [0.6037, 0.6712, 0.6477],
  esmm: [0.603, 0.6706, 0.6485],
  aitm: [0.6035, 0.6693, 0.6518],
  taml: [0.6049, 0.6813, 0.6544],
};

function published(measure: ConversionMeasure, control: Model, treatment: Model): number | null {
  const index = MEASURES.indexOf(measure);
  const before = PUBLISHED[control]?.[index];
  const after = PUBLISHED[treatment]?.[index];
  return before === undefined || after === undefined ? null : Number((after - before).toFixed(4));
}

function expected(measure: ConversionMeasure, control: Model, treatment: Model, required: boolean): Claim {
  return { measure, paper: published(measure, control, treatment), sign: 1, required };
}

const OTHERS = ['mlp', 'shared-bottom', 'mmoe', 'ple', 'esmm', 'aitm'] as const satisfies readonly Model[];

const ABLATIONS = [
  'taml, one learner',
  'taml, no distillation',
  'taml, general experts',
] as const satisfies readonly Model[];

const DOWN: Pick<Claim, 'paper' | 'sign' | 'required'> = { paper: 'down', sign: -1, required: false };

export const TAML: ModelStudy = {
  kind: 'models',
  name: 'taml',
  title: 'Multi-task models of clicks and conversions',
  text:
    'Seven models with the layers of TAML (WWW 2023) on the same impressions, and TAML without its several learners, without self-distillation, and without experts of ' +
    "tasks and learners. The paper's figures are differences on Ali-CCP; its ablation gives directions only.",
  data: conversionData,
  tasks: CONVERSION_TASKS,
  training: CONVERSION_TRAINING,
  models: MODELS,
  arms: armsOf(MODELS),
  worlds: [{ name: WORLD, simulation: conversionWorld(), arms: Object.keys(MODELS) }],
  shown: ['ctcvrAuc', 'cvrAuc', 'ctrAuc'],
  rows: [
    ...OTHERS.slice(1).flatMap((name) =>
      rowsOf(`${name} against mlp`, 'mlp', name, [
        expected('cvrAuc', 'mlp', name, true),
        expected('ctcvrAuc', 'mlp', name, false),
      ]),
    ),
    ...(['ple', 'esmm', 'aitm'] as const).flatMap((name) =>
      rowsOf(`${name} against mmoe`, 'mmoe', name, [expected('ctcvrAuc', 'mmoe', name, true)]),
    ),
    ...OTHERS.flatMap((name) =>
      rowsOf(`taml against ${name}`, name, 'taml', [
        expected('ctrAuc', name, 'taml', false),
        expected('cvrAuc', name, 'taml', name === 'mlp'),
        expected('ctcvrAuc', name, 'taml', name === 'mmoe'),
      ]),
    ),
    ...ABLATIONS.flatMap((name) =>
      rowsOf(`${name} against taml`, 'taml', name, [
        { ...DOWN, measure: 'ctrAuc' },
        { ...DOWN, measure: 'cvrAuc' },
        { ...DOWN, measure: 'ctcvrAuc' },
      ]),
    ),
    ...rowsOf('one learner against no distillation', 'taml, no distillation', 'taml, one learner', [
      { ...DOWN, measure: 'ctcvrAuc' },
    ]),
    ...rowsOf('no distillation against general experts', 'taml, general experts', 'taml, no distillation', [
      { ...DOWN, measure: 'ctcvrAuc' },
    ]),
  ],
};
