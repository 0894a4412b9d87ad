/** Runs studies over seeds: makes what is missing, then compares the arms. */
import { PrerankError } from '../base/errors.js';
import { loadSimulation, type SimulationConfig, type SimulationInput, simulationSchema } from '../cascade/config.js';
import type { PresetName } from '../cascade/presets.js';
import { mergeOverrides } from '../config/override.js';
import { MEASURES, type Measure, type MeasureName, SHOWN_MEASURES } from './measures.js';
import type { MetricName } from './metric-names.js';
import { ModelBench } from './model-bench.js';
import { type ArmSums, armSums, compareArms, measureInterval, measureValue, type RowResult } from './row-results.js';
import { type PlannedArm, planOf, SeedWorld } from './seed-world.js';
import { findStudy, type Study } from './studies.js';
import {
  type ArmIn,
  type ArmPlan,
  armKey,
  type CascadeStudy,
  type RunPlan,
  type TrainingRows,
  type WorldPlan,
} from './study.js';
import type { OnProgress } from './train-run.js';

export interface ExperimentOptions {
  /** Names of studies. */
  readonly studies: readonly string[];
  /** Seeds 1 … n of the world and of training. */
  readonly seeds: number;
  /** Folder that keeps logs, runs and figures: what is there is not made again. */
  readonly out: string;
  readonly preset?: PresetName;
  /** `path=value` pairs, of the simulation or of the runs' configuration. */
  readonly set?: readonly string[];
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly onStep?: (step: StepProgress) => void;
}

/** One step of the work. */
export interface StepProgress {
  /** What is done, such as `seed 2: train multi-task`. */
  readonly title: string;
  /** From 1. */
  readonly number: number;
  readonly total: number;
  /** Share of the step that is done, in [0, 1]. */
  readonly share: number;
}

/** A metric of an arm, with its 95 % interval. */
export interface ArmValue {
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

export interface ArmResult {
  readonly world: string;
  readonly arm: string;
  readonly values: Readonly<Partial<Record<MetricName, ArmValue>>>;
}

export interface StudyResult {
  readonly name: string;
  readonly title: string;
  readonly text: string;
  /** What intervals and p-values are over. */
  readonly basis: 'requests' | 'seeds';
  /** The metrics of arms that tables show. */
  readonly shown: readonly MetricName[];
  readonly arms: readonly ArmResult[];
  readonly rows: readonly RowResult[];
  readonly curves: readonly CurveResult[];
}

export interface CurveResult {
  readonly title: string;
  readonly measure: MeasureName;
  readonly x: string;
  readonly series: readonly {
    readonly name: string;
    readonly points: readonly ({ readonly x: number } & ArmValue)[];
  }[];
}

export interface ExperimentResult {
  readonly seeds: number;
  readonly preset: PresetName;
  readonly set: readonly string[];
  /** Steps of this call; those found done are not among them. */
  readonly steps: number;
  readonly seconds: number;
  readonly studies: readonly StudyResult[];
}

/** A step that is not done yet. */
export interface Step {
  readonly title: string;
  readonly isDone: () => boolean | Promise<boolean>;
  readonly run: (onProgress: OnProgress) => Promise<void>;
}

/**
 * Simulates, trains and judges what the studies need and the folder does not hold, then compares.
 * @throws PrerankError USAGE for an unknown study; what simulating and training may throw; CANCELLED when `signal` is aborted: the
 * next call goes on.
 */
export async function runExperiment(options: ExperimentOptions): Promise<ExperimentResult> {
  const begin = performance.now();
  const studies = [...new Set(options.studies)].map(findStudy);
  const bench = new Bench(options);
  const cascades = studies.filter((study) => study.kind === 'cascade');
  const models = studies.filter((study) => study.kind === 'models');
  const steps = Array.from({ length: options.seeds }, (_, i) => i + 1).flatMap((seed) => [
    ...bench.steps(cascades, seed),
    ...bench.models.steps(models, seed),
  ]);
  const open: Step[] = [];
  for (const step of steps) {
    if (!(await step.isDone())) open.push(step);
  }
  for (const [i, step] of open.entries()) {
    // Systems that differ only in what is judged share logs and runs, which the first of them makes.
    if (await step.isDone()) continue;
    const report = (share: number): void =>
      options.onStep?.({ title: step.title, number: i + 1, total: open.length, share });
    report(0);
    await step.run((done, total) => report(total > 0 ? done / total : 0));
    report(1);
  }
  const results: StudyResult[] = [];
  for (const study of studies) results.push(await bench.result(study));
  return {
    seeds: options.seeds,
    preset: options.preset ?? 'paper',
    set: options.set ?? [],
    steps: open.length,
    seconds: (performance.now() - begin) / 1000,
    studies: results,
  };
}

/** Splits `--set` by whose keys they name. */
function splitSettings(set: readonly string[]): { readonly simulation: string[]; readonly runs: string[] } {
  const simulation: string[] = [];
  const runs: string[] = [];
  for (const setting of set) {
    const key = /^[^.=[]*/.exec(setting)?.[0].trim() ?? '';
    if (key === 'seed') throw new PrerankError('USAGE', '--set seed: the seeds are 1 to n of --seeds n');
    (key in simulationSchema.shape ? simulation : runs).push(setting);
  }
  return { simulation, runs };
}

class Bench {
  readonly models: ModelBench;
  readonly #worlds = new Map<string, SeedWorld>();
  readonly #set: ReturnType<typeof splitSettings>;

  constructor(private readonly options: ExperimentOptions) {
    this.#set = splitSettings(options.set ?? []);
    this.models = new ModelBench({ ...options, set: this.#set.runs }, (simulation, seed) =>
      this.#config(simulation, seed),
    );
  }

  /** `--set` is over what the study says of a world. */
  #config(simulation: SimulationInput, seed: number): SimulationConfig {
    return loadSimulation(simulation, {
      preset: this.options.preset,
      set: this.#set.simulation,
      overrides: { seed },
    });
  }

  world({ name, simulation, finalTrainedOn }: WorldPlan, seed: number): SeedWorld {
    const { out, threads, signal } = this.options;
    const config = this.#config(mergeOverrides(JUDGED_REQUESTS, simulation), seed);
    const key = JSON.stringify({ name, config, finalTrainedOn });
    const own = { out, set: this.#set.runs, threads, signal };
    const world = this.#worlds.get(key) ?? new SeedWorld(config, own, finalTrainedOn);
    this.#worlds.set(key, world);
    return world;
  }

  /** Every step of the studies with one seed, in the order in which they build on each other. */
  steps(studies: readonly CascadeStudy[], seed: number): Step[] {
    const worlds = new Map<SeedWorld, { readonly name: string; readonly arms: PlannedArm[] }>();
    for (const study of studies) {
      for (const plan of study.worlds) {
        const world = this.world(plan, seed);
        const use = worlds.get(world) ?? { name: plan.name, arms: [] };
        worlds.set(world, use);
        use.arms.push(...plan.arms.map((name) => ({ name, plan: planOf(study.arms, name), runs: study.runs })));
      }
    }
    return [...worlds].flatMap(([world, { name, arms }]) =>
      worldSteps(world, arms, worlds.size > 1 ? `seed ${seed}, ${name}` : `seed ${seed}`),
    );
  }

  result(study: Study): Promise<StudyResult> {
    return study.kind === 'models' ? this.models.result(study) : this.#cascadeResult(study);
  }

  async #cascadeResult(study: CascadeStudy): Promise<StudyResult> {
    const sums = new Map<string, ArmSums>();
    for (const plan of study.worlds) {
      const bySeed = [];
      for (let seed = 1; seed <= this.options.seeds; seed += 1) {
        const world = this.world(plan, seed);
        const arms = [];
        for (const name of plan.arms) {
          arms.push([name, await world.sums({ name, plan: planOf(study.arms, name), runs: study.runs })] as const);
        }
        bySeed.push(Object.fromEntries(arms));
      }
      for (const [arm, of] of Object.entries(armSums(bySeed))) sums.set(armKey({ world: plan.name, arm }), of);
    }
    const sumsOf = (arm: ArmIn): ArmSums => planOf(Object.fromEntries(sums), armKey(arm));
    return {
      name: study.name,
      title: study.title,
      text: study.text,
      basis: 'requests',
      shown: SHOWN_MEASURES,
      arms: study.worlds.flatMap(({ name: world, arms }) =>
        arms.map((arm) => ({ world, arm, values: armValues(sumsOf({ world, arm })) })),
      ),
      rows: study.rows.map((row) => compareArms(row, sumsOf(row.control), sumsOf(row.treatment))),
      curves: (study.curves ?? []).map(({ series, ...curve }) => ({
        ...curve,
        series: series.map(({ name, points }) => ({
          name,
          points: points.map(({ x, arm }) => ({ x, ...armValue(MEASURES[curve.measure], sumsOf(arm)) })),
        })),
      })),
    };
  }
}

/** What the figures of the `paper` preset need for narrow intervals: more judged requests than a replay log usually has. */
const JUDGED_REQUESTS = { requests: { eval: 12_000, replay: 3000 } };

function armValue(measure: Measure, sums: ArmSums): ArmValue {
  return { value: measureValue(measure, sums), ...measureInterval(measure, sums) };
}

function armValues(sums: ArmSums): ArmResult['values'] {
  return Object.fromEntries(Object.entries(MEASURES).map(([name, measure]) => [name, armValue(measure, sums)]));
}

function runsOf(plan: ArmPlan): string[] {
  if (!('ctr' in plan)) return [];
  const { ctr, quality } = plan;
  if (quality === null) return [ctr.run];
  return [ctr.run, ...('run' in quality ? [quality.run] : quality.events.map(({ run }) => run))];
}

/** From the logs of the stretch before to the final stage. */
function finalSteps(history: SeedWorld, where: string): Step[] {
  return [
    {
      title: `${where}: simulate what the final stage learns from`,
      isDone: async () => history.hasLogs || (await history.hasFinal()),
      run: (onProgress) => history.makeLogs(onProgress),
    },
    {
      title: `${where}: train the final stage`,
      isDone: () => history.hasFinal(),
      run: (onProgress) => history.makeFinal(onProgress),
    },
  ];
}

function worldSteps(world: SeedWorld, arms: readonly PlannedArm[], where: string): Step[] {
  const runs = new Map<string, { readonly name: string; readonly plan: RunPlan }>();
  for (const arm of arms) {
    for (const name of runsOf(arm.plan)) {
      const plan = planOf(arm.runs, name);
      runs.set(world.runFolder(plan), { name, plan });
    }
  }
  const kinds = new Set<TrainingRows>([...runs.values()].map(({ plan }) => plan.rows));
  const missing = (): PlannedArm[] => arms.filter((arm) => !world.hasJudged(arm));
  return [
    ...(world.history === null ? [] : finalSteps(world.history, where)),
    { title: `${where}: simulate`, isDone: () => world.hasLogs, run: (onProgress) => world.makeLogs(onProgress) },
    ...[...kinds].map((rows) => ({
      title: `${where}: encode ${rows} rows`,
      isDone: () => world.hasDataset(rows),
      run: () => world.makeDataset(rows),
    })),
    ...[...runs.values()].map(({ name, plan }) => ({
      title: `${where}: train ${name}`,
      isDone: () => world.hasRun(plan),
      run: (onProgress: OnProgress) => world.makeRun(plan, onProgress),
    })),
    {
      title: `${where}: judge`,
      isDone: () => missing().length === 0,
      run: (onProgress) => world.judge(missing(), onProgress),
    },
  ];
}

/** The rows of all studies. */
export function resultRows({ studies }: ExperimentResult): RowResult[] {
  return studies.flatMap(({ rows }) => rows);
}

export function requiredHold(result: ExperimentResult): boolean {
  return resultRows(result).every(({ required, holds }) => !required || holds === true);
}
