/** Permutation importance: how much worse a model predicts when one feature's values are those of other rows. */
import { Philox, philoxKey } from '../base/philox.js';
import type { MetricName } from '../config/types.js';
import type { Feature } from '../data/features.js';
import type { ColumnSpec, NativeDataset } from '../runtime/native.js';
import type { EncodedSet } from './encoded-set.js';
import { type EvaluateOptions, withEvaluationSet } from './evaluate.js';
import { evaluateSet } from './evaluate-set.js';
import { formatTable, type MetricValues } from './evaluation-result.js';
import { permutedColumn } from './permute-column.js';
import { createPredictor, type Run } from './run.js';

export interface ImportanceOptions extends Pick<EvaluateOptions, 'data'> {
  /** Permutations that an importance is the mean of; default 3. */
  readonly shuffles?: number;
  /** Of the permutations; default: the run's. */
  readonly seed?: number;
  /** Called after each feature and shuffle. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** How much a metric rises when a feature is permuted. */
export interface TaskImportance {
  /** Mean over the shuffles. */
  readonly importance: number;
  readonly shuffles: readonly number[];
}

export interface FeatureImportance {
  readonly feature: string;
  readonly side: Feature['side'];
  readonly tasks: Readonly<Record<string, TaskImportance>>;
}

export interface ImportanceResult {
  readonly rows: number;
  readonly shuffles: number;
  readonly seed: number;
  /** The metric of each task, normalized entropy of probabilities and squared error of values, as the model is. */
  readonly baseline: Readonly<Record<string, { readonly metric: 'ne' | 'mse'; readonly value: number }>>;
  /** In the order of the feature map. */
  readonly features: readonly FeatureImportance[];
  /** Features by falling importance for each task, ties by name. */
  readonly ranking: Readonly<Record<string, readonly string[]>>;
}

/** Keeps the permutations apart from the row order, which has the same seed. */
const STREAM = 0x696d706f;

/**
 * Permutation importance of every feature for every task that has a defined metric on the evaluation data. A list moves
 * whole, with its weights; every feature sees the same permutations of the rows.
 * @throws what opening and evaluating the data may throw.
 */
export async function importance(run: Run, options: ImportanceOptions = {}): Promise<ImportanceResult> {
  const { shuffles = 3, seed = run.config.training.seed, onProgress } = options;
  return withEvaluationSet(run, options.data, async (set) => {
    const judge = metricsOf(run, set);
    const baseline = await judge(set.native);
    const features = run.features.features;
    const rises = features.map((): MetricValues[] => []);
    for (let shuffle = 0; shuffle < shuffles; shuffle += 1) {
      const order = permutation(set.rows, seed, shuffle);
      for (const [i, feature] of features.entries()) {
        const values = await judge(permuted(run, set, feature, order));
        const rise = Object.entries(baseline).map(([task, value]) => [task, (values[task] ?? Number.NaN) - value]);
        rises[i]?.push(Object.fromEntries(rise));
        onProgress?.(shuffle * features.length + i + 1, shuffles * features.length);
      }
    }
    const found = features.map(({ name, side }, i) => ({
      feature: name,
      side,
      tasks: averaged(Object.keys(baseline), rises[i] ?? []),
    }));
    return {
      rows: set.rows,
      shuffles,
      seed,
      baseline: Object.fromEntries(
        Object.entries(baseline).map(([task, value]) => [task, { metric: metricOf(run, task), value }]),
      ),
      features: found,
      ranking: Object.fromEntries(Object.keys(baseline).map((task) => [task, ranked(found, task)])),
    };
  });
}

function metricOf(run: Run, task: string): 'ne' | 'mse' {
  const { prediction } = run.model.tasks.find(({ name }) => name === task) ?? {};
  return prediction?.kind === 'value' ? 'mse' : 'ne';
}

/** Each task's metric when the features are read from a dataset, the labels from the set. */
function metricsOf(run: Run, set: EncodedSet): (features: NativeDataset) => Promise<Record<string, number>> {
  const metrics: MetricName[] = ['ne', 'mse'];
  const config = { ...run.config, evaluation: { ...run.config.evaluation, metrics } };
  // By row: a permuted feature of the user is no longer the same in a request.
  const predictor = createPredictor(run, set.rows);
  return async (native) => {
    const predictions = await predictor.predict({ native, rows: set.rows, columns: set.columns });
    const { tasks } = await evaluateSet({ config, set, predictions, metrics: run.addon.metrics, step: null });
    return Object.fromEntries(
      Object.entries(tasks).flatMap(([task, values]) => {
        const value = values[metricOf(run, task)] ?? null;
        return value === null ? [] : [[task, value]];
      }),
    );
  };
}

/** The encoded features with those of one feature taken from row `order[i]` to row i. */
function permuted(run: Run, set: EncodedSet, feature: Feature, order: Uint32Array): NativeDataset {
  const moved = new Set(columnsOf(feature));
  const columns = new Set(run.features.features.flatMap(columnsOf));
  const specs = [...columns].map((name): ColumnSpec => {
    const column = set.columnSpec(name);
    return moved.has(name) ? permutedColumn(column, order) : column;
  });
  return new run.addon.Dataset(specs, [...set.mappedFiles]);
}

function columnsOf(feature: Feature): string[] {
  const weights = feature.kind === 'dense' ? undefined : feature.weightsColumn;
  return weights === undefined ? [feature.column] : [feature.column, weights];
}

/** A permutation of the rows, a function of seed and number (Fisher–Yates). */
function permutation(rows: number, seed: number, shuffle: number): Uint32Array {
  const [low, high] = philoxKey(seed);
  const philox = new Philox([low, high ^ STREAM]);
  const order = Uint32Array.from({ length: rows }, (_, row) => row);
  for (let i = rows - 1; i > 0; i -= 1) {
    if ((rows - 1 - i) % 4 === 0) philox.draw((rows - 1 - i) / 4, shuffle, 0, 0);
    const j = Math.floor(((philox.words[(rows - 1 - i) % 4] ?? 0) / 2 ** 32) * (i + 1));
    const value = order[i] ?? 0;
    order[i] = order[j] ?? 0;
    order[j] = value;
  }
  return order;
}

function averaged(tasks: readonly string[], rises: readonly MetricValues[]): Record<string, TaskImportance> {
  return Object.fromEntries(
    tasks.map((task) => {
      const shuffles = rises.map((rise) => rise[task] ?? Number.NaN);
      return [task, { importance: shuffles.reduce((sum, rise) => sum + rise, 0) / shuffles.length, shuffles }];
    }),
  );
}

function ranked(features: readonly FeatureImportance[], task: string): string[] {
  const rise = ({ tasks }: FeatureImportance): number => tasks[task]?.importance ?? 0;
  return features
    .toSorted((a, b) => rise(b) - rise(a) || (a.feature < b.feature ? -1 : 1))
    .map(({ feature }) => feature);
}

/** A plain text table, features by falling importance for `task`. */
export function formatImportance(result: ImportanceResult, task: string): string {
  const tasks = Object.entries(result.baseline);
  const byName = new Map(result.features.map((feature) => [feature.feature, feature]));
  const rows = (result.ranking[task] ?? []).map((name) => {
    const found = byName.get(name);
    return [name, found?.side ?? '', ...tasks.map(([other]) => (found?.tasks[other]?.importance ?? 0).toPrecision(4))];
  });
  const heads = tasks.map(([name, { metric }]) => `${name} ${metric}`);
  const without = ['all features as they are', '', ...tasks.map(([, { value }]) => value.toPrecision(4))];
  return formatTable(['permuted feature', 'side', ...heads], [...rows, without]).join('\n');
}
