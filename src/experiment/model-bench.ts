/** Studies of models: the steps that they need, and what came of them. */
import { PrerankError } from '../base/errors.js';
import type { SimulationConfig, SimulationInput } from '../cascade/config.js';
import { meanEstimate } from '../metrics/student.js';
import type { ArmResult, ArmValue, Step, StudyResult } from './experiment.js';
import { MODEL_MEASURES, type ModelMeasureName } from './model-measures.js';
import type { ModelArm, ModelStudy } from './model-study.js';
import { type Metrics, ModelWorld } from './model-world.js';
import { holds, type RowResult } from './row-results.js';
import { planOf, type SeedWorldOptions } from './seed-world.js';
import { type ArmIn, armKey, type RowPlan } from './study.js';

/** The configuration of a study's world with a seed. */
export type ConfigOf = (simulation: SimulationInput, seed: number) => SimulationConfig;

/** Of one model, one value a seed. */
type SeedValues = Readonly<Record<ModelMeasureName, readonly (number | null)[]>>;

export class ModelBench {
  constructor(
    private readonly options: SeedWorldOptions & { readonly seeds: number },
    private readonly configOf: ConfigOf,
  ) {}

  /** Every step of the studies with one seed, in the order in which they build on each other. */
  steps(studies: readonly ModelStudy[], seed: number): Step[] {
    return studies.flatMap((study) =>
      study.worlds.flatMap(({ name, simulation, arms }): Step[] => {
        const world = new ModelWorld(this.configOf(simulation, seed), study, this.options);
        const where = study.worlds.length > 1 ? `seed ${seed}, ${name}` : `seed ${seed}`;
        return [
          { title: `${where}: simulate`, isDone: () => world.hasLogs, run: (onProgress) => world.makeLogs(onProgress) },
          { title: `${where}: encode`, isDone: () => world.hasDataset, run: () => world.makeDataset() },
          ...modelsOf(study, arms).map(
            (model): Step => ({
              title: `${where}: train ${model}`,
              isDone: () => world.hasRun(model),
              run: (onProgress) => world.makeRun(model, onProgress),
            }),
          ),
        ];
      }),
    );
  }

  async result(study: ModelStudy): Promise<StudyResult> {
    const values = new Map<string, SeedValues>();
    for (const world of study.worlds) {
      for (const arm of world.arms)
        values.set(
          armKey({ world: world.name, arm }),
          await this.#values(study, world.simulation, planOf(study.arms, arm)),
        );
    }
    const of = (arm: ArmIn): SeedValues => planOf(Object.fromEntries(values), armKey(arm));
    return {
      name: study.name,
      title: study.title,
      text: study.text,
      basis: 'seeds',
      shown: study.shown,
      arms: study.worlds.flatMap(({ name: world, arms }) =>
        arms.map((arm): ArmResult => ({ world, arm, values: armValues(of({ world, arm })) })),
      ),
      rows: study.rows.map((row) => compareModels(row, of(row.control), of(row.treatment))),
      curves: [],
    };
  }

  async #values(study: ModelStudy, simulation: SimulationInput, arm: ModelArm): Promise<SeedValues> {
    const bySeed: Metrics[] = [];
    for (let seed = 1; seed <= this.options.seeds; seed += 1) {
      bySeed.push(await new ModelWorld(this.configOf(simulation, seed), study, this.options).metrics(arm));
    }
    return Object.fromEntries(
      Object.entries(MODEL_MEASURES).map(([name, { of, metric }]) => [
        name,
        bySeed.map((metrics) => metrics[of]?.[metric] ?? null),
      ]),
    ) as unknown as SeedValues;
  }
}

/** The models that arms are made of, each once. */
function modelsOf(study: ModelStudy, arms: readonly string[]): string[] {
  return [...new Set(arms.map((arm) => planOf(study.arms, arm).model))];
}

/** The values, if there is one of every seed. */
function complete(values: readonly (number | null)[]): number[] | null {
  const known = values.filter((value) => value !== null);
  return known.length === values.length ? known : null;
}

function armValue(values: readonly (number | null)[]): ArmValue {
  const known = complete(values);
  if (known === null) return { value: null, low: null, high: null };
  const { mean, low, high } = meanEstimate(known);
  return { value: mean, low, high };
}

function armValues(values: SeedValues): ArmResult['values'] {
  return Object.fromEntries(Object.entries(values).map(([name, of]) => [name, armValue(of)]));
}

/** One row: the mean over seeds of what the treatment has more than the control on the same log with the same seed. */
export function compareModels(plan: RowPlan<ModelMeasureName>, control: SeedValues, treatment: SeedValues): RowResult {
  const before = control[plan.measure];
  const after = treatment[plan.measure];
  if (before.length !== after.length) throw new PrerankError('INTERNAL', `${plan.row}: other seeds`);
  const seeds = before.map((value, i) => {
    const other = after[i] ?? null;
    return value === null || other === null ? null : other - value;
  });
  const known = complete(seeds);
  const { mean: ours, low, high, p } = known === null ? UNKNOWN : meanEstimate(known);
  return {
    table: plan.table,
    row: plan.row,
    metric: plan.measure,
    paper: plan.paper,
    ours,
    low,
    high,
    p,
    change: MODEL_MEASURES[plan.measure].change,
    required: plan.required,
    holds: holds(plan.sign, { ours, p }),
    control: { ...plan.control, value: armValue(before).value },
    treatment: { ...plan.treatment, value: armValue(after).value },
    seeds,
  };
}

const UNKNOWN = { mean: null, low: null, high: null, p: null };
