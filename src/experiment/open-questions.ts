/** What the paper leaves open (framework.md §9): correlated and new quality events, a replaced final stage, wrong pseudo-labels. */
import type { SimulationInput } from '../cascade/config.js';
import { CHANGED_SCALARS, MISLEADING } from '../cascade/presets.js';
import { ARMS, RUNS } from './paper-arms.js';
import type { ArmPlan, CascadeStudy, CurvePlan, RowPlan, RunPlan, WorldPlan } from './study.js';

const TABLE = 'open-questions';

type MakeSimulation = (value: number) => SimulationInput;

/** Many systems: fewer requests each than for the tables. */
const JUDGED = { eval: 2000, replay: 1500 };

interface Sweep {
  readonly what: string;
  /** Rising. */
  readonly values: readonly number[];
  readonly simulation: MakeSimulation;
}

function sweepWorlds({ what, values, simulation }: Sweep, arms: readonly string[]): WorldPlan[] {
  return values.map((value) => ({
    name: worldName(what, value),
    simulation: { requests: JUDGED, ...simulation(value) },
    arms,
  }));
}

function worldName(what: string, value: number): string {
  return `${what} ${value}`;
}

const CORRELATION: Sweep = {
  what: 'shared traits',
  values: [0, 0.5, 1, 1.5],
  simulation: (sharedTraits) => ({ quality: { sharedTraits } }),
};

const NOISE: Sweep = {
  what: 'τ',
  values: [0, 0.25, 0.5, 1],
  simulation: (noise) => ({ teacher: { noise } }),
};

const BIAS: Sweep = {
  what: 'bias',
  values: [-1, -0.5, 0, 0.5, 1],
  simulation: (ctr) => ({ teacher: { bias: { ctr } } }),
};

const FRAMEWORK = 'multi-task';

/** Does one model cope with events however much they have in common? NE and MSE against dedicated models. */
function correlationRows(): RowPlan[] {
  return CORRELATION.values.flatMap((value) => {
    const world = worldName(CORRELATION.what, value);
    return (['ne', 'mse', 'softRecall'] as const).map((measure) => ({
      table: TABLE,
      row: `dedicated models, ${world}`,
      measure,
      control: { world, arm: FRAMEWORK },
      treatment: { world, arm: 'dedicated' },
      paper: null,
      sign: null,
      required: false,
    }));
  });
}

/** Recall against the noisy final stage falls with every step of the noise. */
function noiseRows(): RowPlan[] {
  return NOISE.values.slice(1).map((value, i) => {
    const before = worldName(NOISE.what, NOISE.values[i] ?? 0);
    const world = worldName(NOISE.what, value);
    return {
      table: TABLE,
      row: `final stage's noise: ${world} against ${before}`,
      measure: 'softRecall',
      control: { world: before, arm: FRAMEWORK },
      treatment: { world, arm: FRAMEWORK },
      paper: null,
      sign: -1,
      required: true,
    };
  });
}

/** A biased teacher: recall against the unbiased one, and what the teacher's own head would do. */
function biasRows(): RowPlan[] {
  const unbiased = worldName(BIAS.what, 0);
  return BIAS.values.flatMap((value): RowPlan[] => {
    const world = worldName(BIAS.what, value);
    const served = (['ne', 'softRecall'] as const).map((measure) => ({
      table: TABLE,
      row: `teacher head served, final stage's CTR logit + ${world}`,
      measure,
      control: { world, arm: FRAMEWORK },
      treatment: { world, arm: 'teacher head served' },
      paper: measure === 'ne' ? 'worse' : null,
      sign: measure === 'ne' && value !== 0 ? (1 as const) : null,
      required: false,
    }));
    if (value === 0) return served;
    const recall: RowPlan = {
      table: TABLE,
      row: `final stage's CTR logit + ${world} against ${unbiased}`,
      measure: 'softRecall',
      control: { world: unbiased, arm: FRAMEWORK },
      treatment: { world, arm: FRAMEWORK },
      paper: null,
      sign: -1,
      required: false,
    };
    return [recall, ...served];
  });
}

function sweepCurve({ what, values }: Sweep, title: string, x: string, arms: readonly string[]): CurvePlan {
  return {
    title,
    measure: 'softRecall',
    x,
    series: arms.map((arm) => ({
      name: arm,
      points: values.map((value) => ({ x: value, arm: { world: worldName(what, value), arm } })),
    })),
  };
}

/** Place of the change in the training stream, and how much of the stream models that learn online have seen. */
const CHANGE = 0.5;
const PLACES = [0.5, 0.52, 0.55, 0.6, 0.7, 0.85, 1];

function onlineName(place: number): string {
  return `online, ${Math.round(100 * place)} % of the stream`;
}

function byPlace<Plan>(plan: (place: number) => Plan): Readonly<Record<string, Plan>> {
  return Object.fromEntries(PLACES.map((place) => [onlineName(place), plan(place)]));
}

const ONLINE_RUNS = byPlace<RunPlan>((online) => ({ ...RUNS['multi-task'], online }));

const ONLINE_ARMS = byPlace<ArmPlan>((place) => ({
  ctr: { run: onlineName(place) },
  quality: { run: onlineName(place) },
}));

type Change = NonNullable<SimulationInput['drift']>[number];

interface Drift {
  readonly what: string;
  /** Over the simulation that the experiment starts from. */
  readonly simulation: SimulationInput;
  readonly change: Omit<Change, 'at'>;
}

/** Long enough for one pass. */
const STREAM: SimulationInput = { requests: { ...JUDGED, train: 40_000 } };

const DRIFTS: readonly Drift[] = [
  {
    what: 'event added, scalars changed',
    simulation: STREAM,
    change: {
      events: [MISLEADING],
      scalars: CHANGED_SCALARS,
    },
  },
  {
    what: 'final stage replaced',
    simulation: { ...STREAM, teacher: { adNoise: 0.4 } },
    change: { teacher: {} },
  },
];

/** The change in the middle of the stream, and before it: what the model would be, had it never known anything else. */
function driftWorlds({ what, simulation, change }: Drift): WorldPlan[] {
  return [CHANGE, 0].map((at) => ({
    name: driftWorld(what, at),
    simulation: { ...simulation, drift: [{ at, ...change }] },
    arms: PLACES.map(onlineName),
  }));
}

function driftWorld(what: string, at: number): string {
  return at === 0 ? `${what} before the stream` : what;
}

function driftRows({ what }: Drift): RowPlan[] {
  const changed = driftWorld(what, CHANGE);
  const always = driftWorld(what, 0);
  const common = { table: TABLE, measure: 'softRecall', paper: null, required: false } as const;
  const last = onlineName(1);
  const lost: RowPlan = {
    ...common,
    row: `${what}: lost at the change`,
    control: { world: always, arm: onlineName(CHANGE) },
    treatment: { world: changed, arm: onlineName(CHANGE) },
    sign: -1,
  };
  const regained = PLACES.slice(1).map(
    (place): RowPlan => ({
      ...common,
      row: `${what}: at ${Math.round(100 * place)} % of the stream against at the change`,
      control: { world: changed, arm: onlineName(CHANGE) },
      treatment: { world: changed, arm: onlineName(place) },
      sign: 1,
    }),
  );
  const missing: RowPlan = {
    ...common,
    row: `${what}: still missing at the end`,
    control: { world: always, arm: last },
    treatment: { world: changed, arm: last },
    sign: null,
  };
  return [lost, ...regained, missing];
}

function driftCurve({ what }: Drift): CurvePlan {
  return {
    title: `Recovery in the middle of the stream: ${what}`,
    measure: 'softRecall',
    x: 'share of the training stream seen',
    series: [CHANGE, 0].map((at) => ({
      name: at === 0 ? 'so from the start' : `change at ${CHANGE}`,
      points: PLACES.map((x) => ({ x, arm: { world: driftWorld(what, at), arm: onlineName(x) } })),
    })),
  };
}

export const OPEN_QUESTIONS: CascadeStudy = {
  kind: 'cascade',
  name: TABLE,
  title: 'Open questions: correlated and new quality events, a replaced final stage, wrong pseudo-labels',
  text:
    "Sweeps of the events' shared traits, of the final stage's noise τ and of the bias of its CTR logit, which is also the teacher's; every " +
    'system is judged by its own final stage. Then models that learn online, in one pass over 40,000 requests, with a change in the middle, ' +
    'judged on the system after the change.',
  runs: { ...RUNS, ...ONLINE_RUNS },
  arms: { ...ARMS, ...ONLINE_ARMS },
  worlds: [
    ...sweepWorlds(CORRELATION, [FRAMEWORK, 'dedicated']),
    ...sweepWorlds(NOISE, [FRAMEWORK]),
    ...sweepWorlds(BIAS, [FRAMEWORK, 'teacher head served']),
    ...DRIFTS.flatMap(driftWorlds),
  ],
  rows: [...correlationRows(), ...noiseRows(), ...biasRows(), ...DRIFTS.flatMap(driftRows)],
  curves: [
    sweepCurve(CORRELATION, 'Events with more in common', 'factor on the shared traits', [FRAMEWORK, 'dedicated']),
    sweepCurve(NOISE, 'A noisier final stage', 'τ', [FRAMEWORK]),
    sweepCurve(BIAS, 'A biased teacher', "added to the final stage's CTR logit", [FRAMEWORK, 'teacher head served']),
    ...DRIFTS.map(driftCurve),
  ],
};
