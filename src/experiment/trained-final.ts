/** The strongest effects of the paper with a trained final stage, which errs as models do, in the place of the truth with errors. */
import { ARMS, RUNS } from './paper-arms.js';
import type { CascadeStudy, RowPlan } from './study.js';

const TABLE = 'trained-final';
const WORLD = 'trained final stage';

/** Impressions of so many requests teach the final stage, which has the user-ad features that the early stage lacks. */
const HISTORY_REQUESTS = 400_000;

function row(plan: Pick<RowPlan, 'row' | 'measure' | 'paper' | 'sign'>, control: string, treatment: string): RowPlan {
  return {
    ...plan,
    table: TABLE,
    control: { world: WORLD, arm: control },
    treatment: { world: WORLD, arm: treatment },
    required: true,
  };
}

export const TRAINED_FINAL: CascadeStudy = {
  kind: 'cascade',
  name: TABLE,
  title: 'The strongest effects with a trained final stage',
  text:
    `The final stage is a DLRM with user-ad features, trained on the impressions of ${HISTORY_REQUESTS.toLocaleString('en')} earlier requests: teacher, ` +
    'source of the CQS, and judge of recall. The last row says how much more it knows of clicks than an early stage.',
  runs: RUNS,
  arms: { ...ARMS, 'final stage': { final: true } },
  worlds: [
    {
      name: WORLD,
      simulation: {},
      finalTrainedOn: HISTORY_REQUESTS,
      arms: ['separate events', 'CQS model', 'multi-task', 'no teacher', 'no augmentation', 'final stage'],
    },
  ],
  rows: [
    row(
      { row: 'without augmentation', measure: 'softRecall', paper: -0.119, sign: -1 },
      'multi-task',
      'no augmentation',
    ),
    row({ row: 'without teacher', measure: 'ne', paper: 0.003, sign: 1 }, 'multi-task', 'no teacher'),
    row({ row: 'CQS model', measure: 'softRecall', paper: 0.032, sign: 1 }, 'separate events', 'CQS model'),
    row(
      { row: 'final stage against the framework', measure: 'ne', paper: null, sign: -1 },
      'multi-task',
      'final stage',
    ),
  ],
};
