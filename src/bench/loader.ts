/** Times the loader on a dataset folder: how fast it gives batches, and whether training has to wait for them. */
import { PrerankError } from '../base/errors.js';
import type { ModelConfig } from '../config/models.js';
import type { Dataset } from '../data/dataset.js';
import { ROLE_COLUMNS } from '../data/features.js';
import type { ModelTask } from '../models/model.js';
import { trainingProgram } from '../models/registry.js';
import type { Addon, TaskSourceSpec } from '../runtime/native.js';
import { describeEnvironment, type Environment } from './environment.js';
import { referenceStep } from './reference-steps.js';
import { type Summary, summarize } from './statistics.js';
import { DENSE_SETTINGS, SPARSE_SETTINGS, type StepProblem } from './step-problem.js';
import { createStepLoader, createStepProgram, Stepper } from './stepper.js';

export interface LoaderBenchOptions {
  readonly batch: number;
  /** Of the loader, and of the training step that it feeds. */
  readonly threads: number;
  readonly rounds: number;
  /** Timed steps and batches of a round. */
  readonly steps: number;
  readonly seed: number;
}

export interface LoaderTiming {
  readonly shuffle: 'none' | 'full';
  /** Mean seconds of a batch, per round, when nothing but the loader runs. */
  readonly seconds: Summary;
  readonly rowsPerSecond: number;
  /** Copied out of the mapped columns. */
  readonly bytesPerSecond: number;
}

export interface LoaderBenchResult {
  readonly bench: 'loader';
  readonly dataset: string;
  readonly rows: number;
  readonly batch: number;
  readonly threads: number;
  readonly seed: number;
  readonly loader: readonly LoaderTiming[];
  /** Training on the same rows, shuffled. */
  readonly training: {
    readonly model: ModelConfig['kind'];
    readonly samplesPerSecond: number;
    readonly step: Summary;
    /** Part of the time in which the program waited for a batch. */
    readonly waitShare: number;
  };
  readonly environment: Environment;
}

/** What the training learns: clicks where the dataset has them, else the first label. */
function targetOf(dataset: Dataset): { readonly task: ModelTask; readonly source: TaskSourceSpec } {
  const { click, impression } = ROLE_COLUMNS;
  const label = [...dataset.columns].find((name) => name.startsWith('label.'));
  if (dataset.columns.has(click.column)) {
    const traffic = dataset.columns.has(impression.column) ? impression.column : undefined;
    return {
      task: { name: 'click', kind: 'bce', weight: 1, delta: 1 },
      source: { target: click.column, traffic, probability: true },
    };
  }
  if (label === undefined) {
    throw new PrerankError('COLUMN_MISSING', `${dataset.dir} has neither clicks nor a label to train on`, {
      column: click.column,
    });
  }
  return { task: { name: 'label', kind: 'mse', weight: 1, delta: 1 }, source: { target: label } };
}

/** two-tower-d's towers when both sides have features, else a DLRM of the same dimensions. */
function modelFor(dataset: Dataset): ModelConfig {
  const sides = new Set(dataset.features.features.map(({ side }) => (side === 'ad' ? 'ad' : 'user')));
  if (sides.size === 2) return referenceStep('two-tower-d').model;
  return {
    kind: 'dlrm',
    embeddingDim: 32,
    interaction: { kind: 'dot', keepVectors: true },
    top: { hidden: [256, 128, 64], dropout: 0 },
  };
}

function problemOf(addon: Addon, dataset: Dataset, { batch, seed }: LoaderBenchOptions): StepProblem {
  const { task, source } = targetOf(dataset);
  const program = trainingProgram(modelFor(dataset), dataset.features, [task]);
  return {
    name: dataset.dir,
    batch: Math.min(batch, dataset.rows),
    program,
    store: new addon.ParameterStore({
      parameters: program.parameters,
      sparse: { kind: 'adagrad', ...SPARSE_SETTINGS },
      dense: { kind: 'adam', ...DENSE_SETTINGS },
      training: true,
      seed,
    }),
    dataset: dataset.native,
    loader: { shuffle: 'full', tasks: [source] },
    clip: { norm: 0, scope: 'dense' },
    rates: { dense: 1e-3, sparse: 1e-2 },
    tableType: 'float32',
    device: 'cpu',
    matmul: 'float32',
    autotune: false,
    optimizers: { sparse: 'adagrad', dense: 'adam' },
    close: async () => dataset.close(),
  };
}

/** Steps and batches before the first timed one: the prefetched batches, and pages of the files read for the first time. */
const WARM_UP = 8;

export async function benchLoader(
  addon: Addon,
  dataset: Dataset,
  options: LoaderBenchOptions,
): Promise<LoaderBenchResult> {
  const environment = describeEnvironment(addon);
  const problem = problemOf(addon, dataset, options);
  const loader: LoaderTiming[] = [];
  for (const shuffle of ['none', 'full'] as const) loader.push(await timeLoader(addon, problem, shuffle, options));
  const training = await timeTraining(addon, problem, options);
  return {
    bench: 'loader',
    dataset: dataset.dir,
    rows: dataset.rows,
    batch: problem.batch,
    threads: options.threads,
    seed: options.seed,
    loader,
    training: { model: modelFor(dataset).kind, ...training },
    environment,
  };
}

async function timeLoader(
  addon: Addon,
  problem: StepProblem,
  shuffle: LoaderTiming['shuffle'],
  options: LoaderBenchOptions,
): Promise<LoaderTiming> {
  const { threads, seed, steps, rounds } = options;
  const shuffled = { ...problem, loader: { ...problem.loader, shuffle } };
  const perBatch: number[] = [];
  const totals = { rows: 0, bytes: 0, seconds: 0 };
  for (let round = 0; round < rounds; round += 1) {
    const loader = createStepLoader(addon, shuffled, { threads, seed: seed + round, steps: WARM_UP + steps });
    try {
      await addon.bench.drain(loader, WARM_UP);
      const before = loader.stats();
      const { seconds, rows, batches } = await addon.bench.drain(loader, steps);
      perBatch.push(seconds / batches);
      totals.rows += rows;
      totals.bytes += loader.stats().bytesGathered - before.bytesGathered;
      totals.seconds += seconds;
    } finally {
      loader.close();
    }
  }
  return {
    shuffle,
    seconds: summarize(perBatch),
    rowsPerSecond: totals.rows / totals.seconds,
    bytesPerSecond: totals.bytes / totals.seconds,
  };
}

async function timeTraining(addon: Addon, problem: StepProblem, options: LoaderBenchOptions) {
  const { threads, seed, steps, rounds } = options;
  const count = rounds * steps;
  const loader = createStepLoader(addon, problem, { threads, seed, steps: WARM_UP + count });
  try {
    const stepper = new Stepper(createStepProgram(addon, problem, { threads, seed }), problem);
    await stepper.run(loader, WARM_UP);
    const before = stepper.waitSeconds;
    const { seconds } = await stepper.run(loader, count);
    const total = seconds.reduce((sum, value) => sum + value, 0);
    const step = summarize(seconds);
    return { samplesPerSecond: problem.batch / step.p50, step, waitShare: (stepper.waitSeconds - before) / total };
  } finally {
    loader.close();
  }
}
