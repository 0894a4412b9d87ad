/** Robust losses for the CQS, which the paper names as future work: what outliers among the labels cost. */
import type { ConfigInput } from '../config/schema.js';
import { BASE_WORLD } from './paper-tables.js';
import type { CascadeStudy, RowPlan, RunPlan, TrainingRows } from './study.js';

const TABLE = 'robust-loss';

type CqsTask = NonNullable<NonNullable<ConfigInput['tasks']>['cqs']>;

/** Edge of Huber and scale of log-cosh, in units of the scaled label: about one deviation of labels that are no outliers. */
const EDGE = 0.1;

/** λ of framework.md §3 for squared errors r². */
const WEIGHT = 1.5;

/** Weights give every loss the same curvature at r = 0: Huber is r²/2 there, log-cosh r²/(2 · EDGE²). */
const LOSSES: Readonly<Record<string, CqsTask>> = {
  MSE: { weight: WEIGHT, loss: 'mse' },
  Huber: { weight: 2 * WEIGHT, loss: 'huber', delta: EDGE },
  'log-cosh': { weight: 2 * WEIGHT * EDGE ** 2, loss: 'log-cosh', delta: EDGE },
};

const ROWS: Readonly<Record<string, TrainingRows>> = { clean: 'augmented', outliers: 'outliers' };

function armName(loss: string, labels: string): string {
  return `${loss}, ${labels}`;
}

const VARIANTS = Object.entries(ROWS).flatMap(([labels, rows]) =>
  Object.entries(LOSSES).map(([loss, cqs]) => {
    const run: RunPlan = { rows, tasks: { ctr: { weight: 1 }, cqs, teacher: { weight: 2 } } };
    return { name: armName(loss, labels), run };
  }),
);

function row(name: string, measure: RowPlan['measure'], sign: RowPlan['sign'], arms: [string, string]): RowPlan {
  const [control, treatment] = arms;
  return {
    table: TABLE,
    row: name,
    measure,
    control: { world: BASE_WORLD, arm: control },
    treatment: { world: BASE_WORLD, arm: treatment },
    paper: null,
    sign,
    required: false,
  };
}

const MEASURED = ['softRecall', 'mse', 'ne'] as const;

export const ROBUST_LOSS: CascadeStudy = {
  kind: 'cascade',
  name: TABLE,
  title: 'Robust losses: 1 % of the CQS labels are twenty times too large',
  text:
    'The framework with a squared, Huber and log-cosh loss for the CQS, trained on clean labels and on labels with outliers, judged on clean ' +
    'ones. All losses have the same curvature at 0.',
  runs: Object.fromEntries(VARIANTS.map(({ name, run }) => [name, run])),
  arms: Object.fromEntries(VARIANTS.map(({ name }) => [name, { ctr: { run: name }, quality: { run: name } }])),
  worlds: [{ name: BASE_WORLD, simulation: {}, arms: VARIANTS.map(({ name }) => name) }],
  rows: [
    ...Object.keys(LOSSES).flatMap((loss) =>
      MEASURED.map((measure) => {
        const harms = loss === 'MSE' && measure === 'softRecall' ? -1 : null;
        return row(`${loss}: outliers against clean`, measure, harms, [
          armName(loss, 'clean'),
          armName(loss, 'outliers'),
        ]);
      }),
    ),
    ...['Huber', 'log-cosh'].flatMap((loss) =>
      MEASURED.map((measure) => {
        const better = { softRecall: 1, mse: -1, ne: null } as const;
        return row(`outliers: ${loss} against MSE`, measure, better[measure], [
          armName('MSE', 'outliers'),
          armName(loss, 'outliers'),
        ]);
      }),
    ),
    ...['Huber', 'log-cosh'].flatMap((loss) =>
      MEASURED.map((measure) =>
        row(`clean: ${loss} against MSE`, measure, null, [armName('MSE', 'clean'), armName(loss, 'clean')]),
      ),
    ),
  ],
};
