/** The study of `npm start`: what the framework is worth, in a minute. */

import type { MeasureName } from './measures.js';
import { ARMS, RUNS } from './paper-arms.js';
import type { CascadeStudy, RowPlan, RunPlan } from './study.js';

/** The same for both: a short log is soon known by heart. */
const TRAINING: RunPlan['training'] = { epochs: 4, sparseOptimizer: { kind: 'adam', lr: 0.001 } };

const WORLD = 'a shorter stream';
const BASELINE = 'clicks alone';
const FRAMEWORK = 'multi-task';

function row(measure: MeasureName, sign: RowPlan['sign']): RowPlan {
  return {
    table: 'quick-start',
    row: 'the framework against clicks alone',
    measure,
    control: { world: WORLD, arm: BASELINE },
    treatment: { world: WORLD, arm: FRAMEWORK },
    paper: null,
    sign,
    required: false,
  };
}

export const QUICK_START: CascadeStudy = {
  kind: 'cascade',
  name: 'quick-start',
  title: 'Quick start: the framework against a model of clicks alone',
  text:
    "Control: a model that learns clicks from impressions. Treatment: the framework, one model of clicks, quality and the final stage's own " +
    'predictions, that learns from ads that were not shown, too. For scale, chance and the truth as early stages.',
  runs: {
    [BASELINE]: { ...RUNS['production-ctr'], training: TRAINING },
    [FRAMEWORK]: { ...RUNS['multi-task'], training: TRAINING },
  },
  arms: {
    random: { random: true },
    [BASELINE]: { ctr: { run: BASELINE }, quality: null },
    [FRAMEWORK]: ARMS[FRAMEWORK],
    oracle: ARMS.oracle,
  },
  worlds: [
    {
      name: WORLD,
      simulation: { requests: { train: 8000, eval: 2000, replay: 600 } },
      arms: ['random', BASELINE, FRAMEWORK, 'oracle'],
    },
  ],
  rows: [row('softRecall', 1), row('ne', -1), row('totalValue', 1), row('crossOutRate', -1)],
};
