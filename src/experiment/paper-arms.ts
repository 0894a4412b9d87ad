/** The runs and arms of the paper's tables and their controls (reproduction.md §2). */
import type { ConfigInput } from '../config/schema.js';
import type { ArmPlan, RunPlan } from './study.js';

type Tasks = NonNullable<ConfigInput['tasks']>;

/** λ of framework.md §3. */
const CTR: Tasks = { ctr: { weight: 1 } };
const CQS: Tasks = { cqs: { weight: 1.5 } };
const TEACHER: Tasks = { teacher: { weight: 2 } };

/** A model of one quality event, as production had them for the major events. */
function eventRun(event: string): RunPlan {
  return { rows: 'impressions', tasks: { [event]: { label: event } } };
}

/** CQS labels in the unit of their deviation: κ = 1 instead of .3 (framework.md §4.4). */
const WIDE_CQS: Tasks = { cqs: { weight: 1.5, scale: 1 } };

/** The system of the paper is trained online: it sees a row once. */
const ONE_PASS: RunPlan['training'] = { epochs: 1 };

export const RUNS = {
  'production-ctr': { rows: 'impressions', tasks: CTR },
  'cross-out': eventRun('cross_out'),
  hide: eventRun('hide'),
  'cqs-impressions': { rows: 'impressions', tasks: CQS },
  cqs: { rows: 'augmented', tasks: CQS },
  'multi-task': { rows: 'augmented', tasks: { ...CTR, ...CQS, ...TEACHER } },
  'dedicated-ctr': { rows: 'augmented', tasks: { ...CTR, ...TEACHER } },
  'no-teacher': { rows: 'augmented', tasks: { ...CTR, ...CQS } },
  'no-augmentation': { rows: 'impressions', tasks: { ...CTR, ...CQS, ...TEACHER } },
  negatives: { rows: 'augmented', tasks: { ctr: { weight: 1, augmented: 'negative' }, ...CQS, ...TEACHER } },
  'cqs, κ = 1': { rows: 'augmented', tasks: WIDE_CQS },
  'multi-task, κ = 1': { rows: 'augmented', tasks: { ...CTR, ...WIDE_CQS, ...TEACHER } },
  'cqs, one pass': { rows: 'augmented', tasks: CQS, training: ONE_PASS },
  'multi-task, one pass': { rows: 'augmented', tasks: { ...CTR, ...CQS, ...TEACHER }, training: ONE_PASS },
  'dedicated-ctr, one pass': { rows: 'augmented', tasks: { ...CTR, ...TEACHER }, training: ONE_PASS },
} as const satisfies Readonly<Record<string, RunPlan>>;

/** One run serves both heads. */
function whole(run: string): ArmPlan {
  return { ctr: { run }, quality: { run } };
}

export const ARMS = {
  'separate events': {
    ctr: { run: 'production-ctr' },
    quality: {
      events: [
        { run: 'cross-out', event: 'cross_out' },
        { run: 'hide', event: 'hide' },
      ],
    },
  },
  'CQS, impressions only': { ctr: { run: 'production-ctr' }, quality: { run: 'cqs-impressions' } },
  'CQS model': { ctr: { run: 'production-ctr' }, quality: { run: 'cqs' } },
  'multi-task': whole('multi-task'),
  dedicated: { ctr: { run: 'dedicated-ctr' }, quality: { run: 'cqs' } },
  'multi-task, κ = 1': whole('multi-task, κ = 1'),
  'dedicated, κ = 1': { ctr: { run: 'dedicated-ctr' }, quality: { run: 'cqs, κ = 1' } },
  'multi-task, one pass': whole('multi-task, one pass'),
  'dedicated, one pass': { ctr: { run: 'dedicated-ctr, one pass' }, quality: { run: 'cqs, one pass' } },
  'no teacher': whole('no-teacher'),
  'no augmentation': whole('no-augmentation'),
  'augmented as negatives': whole('negatives'),
  'teacher head served': { ctr: { run: 'multi-task', head: 'teacher' }, quality: { run: 'multi-task' } },
  oracle: { oracle: true },
} as const satisfies Readonly<Record<string, ArmPlan>>;

export type PaperArm = keyof typeof ARMS;
