/** Task balancing, which the paper names as future work, against its fixed weights: NE, MSE and recall on the same seeds. */
import type { ConfigInput } from '../config/schema.js';
import { RUNS } from './paper-arms.js';
import { BASE_WORLD } from './paper-tables.js';
import type { CascadeStudy, RowPlan, RunPlan } from './study.js';

type Balancing = NonNullable<ConfigInput['training']>['balancing'];

const FIXED = 'fixed 1 / 1.5 / 2';

const BALANCED: Readonly<Record<string, Balancing>> = {
  uncertainty: { kind: 'uncertainty' },
  PCGrad: { kind: 'pcgrad' },
  MGDA: { kind: 'mgda', normalisation: 'none' },
  'MGDA, normalised': { kind: 'mgda', normalisation: 'loss+' },
};

/** Trained without weights: the sum of the losses, for comparison. */
const EQUAL = 'equal weights';

const FRAMEWORK = RUNS['multi-task'];

const VARIANTS: Readonly<Record<string, RunPlan>> = {
  [FIXED]: FRAMEWORK,
  [EQUAL]: { ...FRAMEWORK, tasks: { ctr: { weight: 1 }, cqs: { weight: 1 }, teacher: { weight: 1 } } },
  ...Object.fromEntries(
    Object.entries(BALANCED).map(([name, balancing]) => [name, { ...FRAMEWORK, training: { balancing } }]),
  ),
};

const OTHERS = Object.keys(VARIANTS).filter((name) => name !== FIXED);

export const BALANCING: CascadeStudy = {
  kind: 'cascade',
  name: 'balancing',
  title: 'Task balancing against the fixed weights of the paper',
  text: 'The framework with its weights 1, 1.5 and 2, with equal ones, and with weights or gradients that are balanced in training (docs/framework.md).',
  runs: VARIANTS,
  arms: Object.fromEntries(Object.keys(VARIANTS).map((name) => [name, { ctr: { run: name }, quality: { run: name } }])),
  worlds: [{ name: BASE_WORLD, simulation: {}, arms: Object.keys(VARIANTS) }],
  rows: OTHERS.flatMap((name) =>
    (['ne', 'mse', 'softRecall'] as const).map(
      (measure): RowPlan => ({
        table: 'balancing',
        row: name,
        measure,
        control: { world: BASE_WORLD, arm: FIXED },
        treatment: { world: BASE_WORLD, arm: name },
        paper: null,
        sign: null,
        required: false,
      }),
    ),
  ),
};
