/** The paper's tables 1 to 4 and figure 4 (framework.md §7); which rows must hold is said in reproduction.md §3. */
import type { MeasureName } from './measures.js';
import { ARMS, type PaperArm, RUNS } from './paper-arms.js';
import type { CascadeStudy, RowPlan, Sign } from './study.js';

/** The world that the experiment starts from, unchanged. */
export const BASE_WORLD = 'paper';

interface Claim {
  readonly measure: MeasureName;
  readonly paper: RowPlan['paper'];
  readonly sign: Sign | null;
  /** Default: exploratory. */
  readonly required?: boolean;
}

interface Comparison {
  readonly row: string;
  readonly control: PaperArm;
  readonly treatment: PaperArm;
  readonly claims: readonly Claim[];
}

function rowsOf(table: string, comparisons: readonly Comparison[]): RowPlan[] {
  return comparisons.flatMap(({ row, control, treatment, claims }) =>
    claims.map(({ required = false, ...claim }) => ({
      table,
      row,
      control: { world: BASE_WORLD, arm: control },
      treatment: { world: BASE_WORLD, arm: treatment },
      required,
      ...claim,
    })),
  );
}

function tableStudy(name: string, title: string, text: string, comparisons: readonly Comparison[]): CascadeStudy {
  const arms = [...new Set(comparisons.flatMap(({ control, treatment }) => [control, treatment]))];
  return {
    kind: 'cascade',
    name,
    title,
    text,
    runs: RUNS,
    arms: ARMS,
    worlds: [{ name: BASE_WORLD, simulation: {}, arms }],
    rows: rowsOf(name, comparisons),
  };
}

const UP = 1;
const DOWN = -1;

export const TABLE1 = tableStudy(
  'table1',
  'Table 1: CQS model against separate quality models',
  'Control: production CTR model and models of the two major quality events, all trained on impressions. Treatment: production CTR ' +
    'model and one CQS model, trained with augmentation, and for comparison on impressions only.',
  [
    {
      row: 'CQS model',
      control: 'separate events',
      treatment: 'CQS model',
      claims: [
        { measure: 'softRecall', paper: 0.032, sign: UP, required: true },
        { measure: 'crossOutRate', paper: -0.018, sign: DOWN, required: true },
        { measure: 'asq', paper: 0.02, sign: UP },
        { measure: 'tvd', paper: -0.079, sign: DOWN, required: true },
        { measure: 'ctr', paper: 0.017, sign: UP },
        { measure: 'cvr', paper: 0.02, sign: UP },
        { measure: 'totalValue', paper: 0.01, sign: UP },
      ],
    },
    {
      row: 'CQS model, impressions only',
      control: 'separate events',
      treatment: 'CQS, impressions only',
      claims: [
        { measure: 'softRecall', paper: 0.032, sign: UP },
        { measure: 'tvd', paper: -0.079, sign: DOWN },
      ],
    },
  ],
);

export const TABLE2 = tableStudy(
  'table2',
  'Table 2: multi-task framework against separate models',
  'Control: production CTR model and the CQS model of table 1. Treatment: the framework, one model with three heads trained with ' +
    'augmentation. (The paper also refreshed the features.)',
  [
    {
      row: 'multi-task',
      control: 'CQS model',
      treatment: 'multi-task',
      claims: [
        { measure: 'softRecall', paper: 0.122, sign: UP, required: true },
        { measure: 'crossOutRate', paper: -0.035, sign: DOWN },
        { measure: 'asq', paper: 0.005, sign: UP },
        { measure: 'tvd', paper: -0.057, sign: DOWN, required: true },
        { measure: 'ctr', paper: 0.004, sign: UP, required: true },
        { measure: 'cvr', paper: 0.008, sign: UP },
        { measure: 'totalValue', paper: 0.03, sign: UP, required: true },
      ],
    },
  ],
);

/** What the paper says of dedicated models, where it is not required. */
const DEDICATED: readonly Claim[] = [
  { measure: 'ne', paper: -0.0004, sign: DOWN },
  { measure: 'mse', paper: -0.006, sign: DOWN },
  { measure: 'softRecall', paper: -0.006, sign: DOWN },
];

export const TABLE3 = tableStudy(
  'table3',
  'Table 3: what the parts of the framework are worth',
  'Control: the whole framework. A treatment lacks one part, or changes it. NE and MSE on held-out rows, recall by replay.',
  [
    {
      row: 'dedicated CTR + dedicated CQS',
      control: 'multi-task',
      treatment: 'dedicated',
      claims: [
        { measure: 'ne', paper: -0.0004, sign: DOWN, required: true },
        { measure: 'mse', paper: -0.006, sign: DOWN, required: true },
        { measure: 'softRecall', paper: -0.006, sign: DOWN },
      ],
    },
    {
      row: 'the same with labels of the CQS in deviations (κ = 1)',
      control: 'multi-task, κ = 1',
      treatment: 'dedicated, κ = 1',
      claims: DEDICATED,
    },
    {
      row: 'the same after one pass over the rows',
      control: 'multi-task, one pass',
      treatment: 'dedicated, one pass',
      claims: DEDICATED,
    },
    {
      row: 'without teacher',
      control: 'multi-task',
      treatment: 'no teacher',
      claims: [
        { measure: 'ne', paper: 0.003, sign: UP, required: true },
        { measure: 'mse', paper: -0.005, sign: DOWN, required: true },
        { measure: 'softRecall', paper: -0.016, sign: DOWN, required: true },
      ],
    },
    {
      row: 'without augmentation',
      control: 'multi-task',
      treatment: 'no augmentation',
      claims: [{ measure: 'softRecall', paper: -0.119, sign: DOWN, required: true }],
    },
    {
      row: 'augmented rows as negatives',
      control: 'multi-task',
      treatment: 'augmented as negatives',
      claims: [
        { measure: 'ne', paper: 'worse', sign: UP, required: true },
        { measure: 'softRecall', paper: 'worse', sign: DOWN, required: true },
      ],
    },
    {
      row: 'teacher head served',
      control: 'multi-task',
      treatment: 'teacher head served',
      claims: [
        { measure: 'ne', paper: 'worse', sign: UP },
        { measure: 'softRecall', paper: null, sign: null },
      ],
    },
    {
      row: 'oracle (upper bound)',
      control: 'multi-task',
      treatment: 'oracle',
      claims: [{ measure: 'softRecall', paper: null, sign: UP }],
    },
  ],
);

const ABLATIONS = {
  dedicated: 'dedicated CTR + dedicated CQS',
  'no teacher': 'without teacher',
  'no augmentation': 'without augmentation',
};

export const TABLE4 = tableStudy(
  'table4',
  'Table 4: quality seen by users, relative to the whole framework',
  'The same arms in the cascade: cross-outs and survey score of the ads shown.',
  [
    {
      row: ABLATIONS.dedicated,
      control: 'multi-task',
      treatment: 'dedicated',
      claims: [
        { measure: 'crossOutRate', paper: 0.07, sign: UP },
        { measure: 'asq', paper: -0.015, sign: DOWN },
      ],
    },
    {
      row: ABLATIONS['no teacher'],
      control: 'multi-task',
      treatment: 'no teacher',
      claims: [
        { measure: 'crossOutRate', paper: -0.001, sign: null },
        { measure: 'asq', paper: -0.002, sign: DOWN },
      ],
    },
    {
      row: ABLATIONS['no augmentation'],
      control: 'multi-task',
      treatment: 'no augmentation',
      claims: [
        { measure: 'crossOutRate', paper: 0.028, sign: UP },
        { measure: 'asq', paper: -0.002, sign: DOWN },
      ],
    },
  ],
);

export const FIGURE4 = tableStudy(
  'figure4',
  'Figure 4: business metrics of the ablations, relative to the whole framework',
  'The paper gives directions, not numbers.',
  [
    {
      row: ABLATIONS.dedicated,
      control: 'multi-task',
      treatment: 'dedicated',
      claims: [
        { measure: 'ctr', paper: 'up', sign: UP },
        { measure: 'cvr', paper: 'slightly down', sign: DOWN },
        { measure: 'totalValue', paper: 'slightly down', sign: DOWN },
        { measure: 'tvd', paper: 'worse', sign: UP },
      ],
    },
    {
      row: ABLATIONS['no teacher'],
      control: 'multi-task',
      treatment: 'no teacher',
      claims: [
        { measure: 'ctr', paper: 'down', sign: DOWN },
        { measure: 'totalValue', paper: 'down', sign: DOWN },
        { measure: 'tvd', paper: 'worse', sign: UP },
      ],
    },
    {
      row: ABLATIONS['no augmentation'],
      control: 'multi-task',
      treatment: 'no augmentation',
      claims: [
        { measure: 'ctr', paper: 'down', sign: DOWN },
        { measure: 'cvr', paper: 'down', sign: DOWN },
        { measure: 'totalValue', paper: 'down', sign: DOWN },
      ],
    },
  ],
);
