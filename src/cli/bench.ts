/** `prerank bench`: how fast this machine does what prerank does, in figures that can be compared. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { PrerankError } from '../base/errors.js';
import type { IngestVariant } from '../bench/ingest.js';
import { PRESET_NAMES, type PresetName } from '../cascade/presets.js';
import { loadAddon } from '../runtime/load.js';
import { MATMUL_PRECISIONS, type MatmulPrecision, TABLE_TYPES, type TableType } from '../runtime/native-program.js';
import { positiveInteger, positiveIntegers } from './arguments.js';
import { type CommonOptions, printResult } from './output.js';

const SPARSE_OPTIMIZERS = ['sgd', 'adagrad', 'rowwise-adagrad', 'adam'] as const;

type SparseOptimizer = (typeof SPARSE_OPTIMIZERS)[number];

function sparseOptimizer(value: string): SparseOptimizer {
  const found = SPARSE_OPTIMIZERS.find((name) => name === value);
  if (found === undefined) throw new InvalidArgumentError(`expected one of ${SPARSE_OPTIMIZERS.join(', ')}`);
  return found;
}

export function benchCommand(): Command {
  return new Command('bench')
    .description(
      'measure training steps, kernels, the loader, ingestion, replay metrics, serving and the simulated cascade',
    )
    .addCommand(stepCommand())
    .addCommand(kernelsCommand())
    .addCommand(loaderCommand())
    .addCommand(ingestCommand())
    .addCommand(replayCommand())
    .addCommand(serveCommand())
    .addCommand(cascadeCommand());
}

interface StepCommandOptions extends CommonOptions {
  readonly config: string;
  readonly batch?: number;
  readonly threads: number;
  readonly device: string;
  readonly runs: number;
  readonly steps: number;
  readonly seed: number;
  readonly sparse?: SparseOptimizer;
  readonly tables?: TableType;
  readonly matmul?: MatmulPrecision;
  readonly autotune?: boolean;
}

function stepCommand(): Command {
  return new Command('step')
    .description('samples a second of whole training steps, loader and sort included')
    .requiredOption(
      '--config <name>',
      'two-tower-d, dlrm-criteo, embedding-heavy, dlrm-criteo-1tb, dcn-multihot, or a configuration file',
    )
    .option('--batch <rows>', "rows of a batch (default: the step's own)", positiveInteger)
    .option('--threads <count>', 'threads and cores: the process is pinned to so many', positiveInteger, 1)
    .option('--device <name>', 'auto, cpu or cuda:N', 'cpu')
    .option('--runs <count>', 'runs', positiveInteger, 5)
    .option('--steps <count>', 'timed steps of a run', positiveInteger, 20)
    .option('--seed <number>', 'seed of data and parameters', positiveInteger, 1)
    .option(
      '--sparse <optimizer>',
      `${SPARSE_OPTIMIZERS.join(', ')} on tables (default: the step's own)`,
      sparseOptimizer,
    )
    .addOption(new Option('--tables <type>', "what tables hold (default: the configuration's)").choices(TABLE_TYPES))
    .addOption(new Option('--matmul <precision>', 'matrix products of dense layers').choices(MATMUL_PRECISIONS))
    .option('--autotune', 'matrix products of a GPU by the fastest of several algorithms')
    .action(runStep);
}

async function runStep(options: StepCommandOptions): Promise<void> {
  const [{ pinToCores }, { findReferenceStep }, problems, { benchStep }, { formatStep }] = await Promise.all([
    import('../bench/environment.js'),
    import('../bench/reference-steps.js'),
    import('../bench/step-problem.js'),
    import('../bench/step.js'),
    import('../bench/step-text.js'),
  ]);
  const addon = loadAddon();
  pinToCores(addon, options.threads);
  const reference = findReferenceStep(options.config);
  const problem =
    reference === undefined
      ? await problems.configProblem(addon, options.config, options)
      : problems.referenceProblem(addon, reference, options);
  try {
    const result = await benchStep(addon, problem, options);
    printResult(options, result, () => formatStep(result));
  } finally {
    await problem.close();
  }
}

interface KernelsCommandOptions extends CommonOptions {
  readonly device: string;
  readonly matmul: MatmulPrecision;
  readonly batch: number;
  readonly compare?: string;
  readonly csv?: boolean;
  readonly rounds: number;
  readonly samples: number;
}

function kernelsCommand(): Command {
  return new Command('kernels')
    .description('every operation of the core on one core, or on a GPU, against the measured roof of this machine')
    .argument('[operations...]', 'operations to measure (default: all)')
    .option('--compare <file>', 'an earlier result (--json): say what became faster or slower')
    .option('--csv', 'print CSV')
    .option('--device <name>', 'cpu or cuda:N', 'cpu')
    .addOption(
      new Option('--matmul <precision>', 'matrix products of dense layers')
        .choices(MATMUL_PRECISIONS)
        .default('float32'),
    )
    .option('--batch <rows>', 'rows of a batch on a GPU', positiveInteger, 65_536)
    .option('--rounds <count>', 'rounds over the whole grid', positiveInteger, 3)
    .option('--samples <count>', 'samples of a case in a round', positiveInteger, 15)
    .action(runKernels);
}

async function runKernels(operations: readonly string[], options: KernelsCommandOptions): Promise<void> {
  const [{ compareKernels, readKernelsBase }, text] = await Promise.all([
    import('../bench/kernels-compare.js'),
    import('../bench/kernels-text.js'),
  ]);
  const base = options.compare === undefined ? undefined : readKernelsBase(options.compare);
  const { result, table } = await timeKernels(operations, options);
  const comparison = base === undefined ? undefined : compareKernels(base, result);
  printResult(options, { ...result, comparison }, () => {
    if (options.csv) return text.kernelsCsv(result);
    return [table, ...(comparison === undefined ? [] : [text.formatComparison(comparison)])].join('\n\n');
  });
}

/** On one core, or on a GPU. */
async function timeKernels(operations: readonly string[], options: KernelsCommandOptions) {
  const [{ pinToCores }, { benchKernels }, gpu, text] = await Promise.all([
    import('../bench/environment.js'),
    import('../bench/kernels.js'),
    import('../bench/device-kernels.js'),
    import('../bench/kernels-text.js'),
  ]);
  const addon = loadAddon();
  pinToCores(addon, 1);
  if (options.device === 'cpu') {
    const result = await benchKernels(addon, { ...options, operations });
    return { result, table: text.formatKernels(result) };
  }
  const grid = gpu.deviceGrid(options.batch);
  const result = await gpu.benchDeviceKernels(addon, { ...options, operations, grid, roof: gpu.ROOF_SIZES });
  return { result, table: text.formatDeviceKernels(result) };
}

interface LoaderCommandOptions extends CommonOptions {
  readonly batch: number;
  readonly threads: number;
  readonly rounds: number;
  readonly steps: number;
  readonly seed: number;
}

function loaderCommand(): Command {
  return new Command('loader')
    .description('rows a second from a dataset folder, and whether training waits for them')
    .argument('[folder]', 'dataset folder (default: rows of two-tower-d, written to a temporary one)')
    .option('--batch <rows>', 'rows of a batch', positiveInteger, 4096)
    .option('--threads <count>', 'threads and cores: the process is pinned to so many', positiveInteger, 1)
    .option('--rounds <count>', 'rounds', positiveInteger, 5)
    .option('--steps <count>', 'batches and steps of a round', positiveInteger, 40)
    .option('--seed <number>', 'seed of row order and parameters', positiveInteger, 1)
    .action(runLoader);
}

async function runLoader(folder: string | undefined, options: LoaderCommandOptions): Promise<void> {
  const [{ pinToCores }, { withReferenceDataset }, { benchLoader }, { formatLoader }, { openDataset }] =
    await Promise.all([
      import('../bench/environment.js'),
      import('../bench/reference-dataset.js'),
      import('../bench/loader.js'),
      import('../bench/loader-text.js'),
      import('../data/dataset.js'),
    ]);
  const addon = loadAddon();
  const measure = async (path: string): Promise<void> => {
    pinToCores(addon, options.threads);
    const result = await benchLoader(addon, openDataset(path), options);
    printResult(options, result, () => formatLoader(result));
  };
  await (folder === undefined ? withReferenceDataset(options.seed, measure) : measure(folder));
}

interface IngestCommandOptions extends CommonOptions {
  readonly rows: number;
  readonly threads: number;
  readonly rounds: number;
}

function ingestCommand(): Command {
  return new Command('ingest')
    .description("ingestion's rate against DuckDB reading every value of the same columns")
    .argument(
      '[config]',
      'configuration, whose training log is ingested (default: a generated log, hashed and by vocabulary)',
    )
    .option('--rows <count>', 'rows of the generated log', positiveInteger, 2_000_000)
    .option('--threads <count>', 'threads and cores: the process is pinned to so many', positiveInteger, 2)
    .option('--rounds <count>', 'rounds', positiveInteger, 5)
    .action(runIngest);
}

async function runIngest(config: string | undefined, options: IngestCommandOptions): Promise<void> {
  const [{ pinToCores }, { withGeneratedLog }, { benchIngest }, { formatIngest }, { loadConfig }] = await Promise.all([
    import('../bench/environment.js'),
    import('../bench/generated-log.js'),
    import('../bench/ingest.js'),
    import('../bench/ingest-text.js'),
    import('../config/load.js'),
  ]);
  const addon = loadAddon();
  const measure = async (variants: readonly IngestVariant[]): Promise<void> => {
    pinToCores(addon, options.threads);
    const result = await benchIngest(addon, variants, options);
    printResult(options, result, () => formatIngest(result));
  };
  if (config !== undefined) {
    const loaded = loadConfig(config);
    await measure([{ name: loaded.name, config: loaded }]);
    return;
  }
  await withGeneratedLog(options.rows, (configs) =>
    measure([
      { name: 'hash', config: loadConfig(configs.hash) },
      { name: 'vocabulary', config: loadConfig(configs.vocabulary) },
    ]),
  );
}

interface ReplayCommandOptions extends CommonOptions {
  readonly rows: number;
  readonly candidates: number;
  readonly picks?: readonly number[];
  readonly rounds: number;
  readonly seed: number;
}

function replayCommand(): Command {
  return new Command('replay')
    .description('replay metrics over given scores against a plain read of the same columns, on one core')
    .option('--rows <count>', 'candidates of all requests', positiveInteger, 20_000_000)
    .option('--candidates <count>', 'candidates of a request', positiveInteger, 1000)
    .option('--picks <counts...>', 'picks of both stages (default: 10 30)', positiveIntegers)
    .option('--rounds <count>', 'rounds', positiveInteger, 7)
    .option('--seed <number>', 'seed of the scores', positiveInteger, 1)
    .action(runReplay);
}

async function runReplay(options: ReplayCommandOptions): Promise<void> {
  const [{ pinToCores }, { benchReplay }, { formatReplay }] = await Promise.all([
    import('../bench/environment.js'),
    import('../bench/replay.js'),
    import('../bench/replay-text.js'),
  ]);
  const addon = loadAddon();
  pinToCores(addon, 1);
  const result = await benchReplay(addon, { ...options, picks: options.picks ?? [10, 30] });
  printResult(options, result, () => formatReplay(result));
}

interface ServeCommandOptions extends CommonOptions {
  readonly config?: string;
  readonly run?: readonly string[];
  readonly models?: boolean;
  readonly ads: number;
  readonly requests: number;
  readonly seed: number;
}

function serveCommand(): Command {
  return new Command('serve')
    .description('requests a second and latency of scoring one user with many ads, on one and two cores')
    .option('--config <name>', 'a reference step (default: two-tower-d)')
    .option(
      '--run <folders...>',
      'a run instead: its model with its parameters, without what training has switched off; several: in turn, on one core',
    )
    .option('--models', 'the pre-ranking models in turn, on one core, instead of a reference step')
    .option('--ads <count>', 'ads of a request', positiveInteger, 1000)
    .option('--requests <count>', 'timed requests of each combination', positiveInteger, 1000)
    .option('--seed <number>', 'seed of data and parameters', positiveInteger, 1)
    .action(runServe);
}

async function runServe(options: ServeCommandOptions): Promise<void> {
  const { config, run, models } = options;
  if ([config, run, models].filter((given) => given !== undefined).length > 1) {
    throw new PrerankError('USAGE', 'give one of --config, --run and --models');
  }
  if (models) return runServeModels(options);
  if (run !== undefined && run.length > 1) return runServeRuns(run, options);
  const [{ referenceStep }, { benchServe }, scored, { formatServe }, { openRun }] = await Promise.all([
    import('../bench/reference-steps.js'),
    import('../bench/serve.js'),
    import('../bench/scored-model.js'),
    import('../bench/serve-text.js'),
    import('../train/run.js'),
  ]);
  const addon = loadAddon();
  const model =
    run === undefined
      ? scored.referenceModel(addon, referenceStep(config ?? 'two-tower-d'), options.seed)
      : scored.trainedModel(await openRun(run[0] ?? ''));
  const combinations = { threads: [1, 2], requestsPerCall: [1, 8] };
  const result = await benchServe(addon, model, { ...options, ...combinations });
  printResult(options, result, () => formatServe(result));
}

/** Turns that the models take. */
const SERVE_ROUNDS = 10;

async function runServeModels(options: ServeCommandOptions): Promise<void> {
  const [{ benchServeModels }, { formatServeModels }] = await Promise.all([
    import('../bench/serve-models.js'),
    import('../bench/serve-models-text.js'),
  ]);
  const result = await benchServeModels(loadAddon(), { ...options, rounds: SERVE_ROUNDS });
  printResult(options, result, () => formatServeModels(result));
}

async function runServeRuns(folders: readonly string[], options: ServeCommandOptions): Promise<void> {
  const [{ benchServeRuns, formatServeRuns }, { trainedModel }, { openRun }] = await Promise.all([
    import('../bench/serve-runs.js'),
    import('../bench/scored-model.js'),
    import('../train/run.js'),
  ]);
  const models = [];
  for (const folder of folders) models.push({ ...trainedModel(await openRun(folder)), name: folder });
  const result = await benchServeRuns(loadAddon(), models, { ...options, rounds: SERVE_ROUNDS });
  printResult(options, result, () => formatServeRuns(result));
}

interface CascadeCommandOptions extends CommonOptions {
  readonly preset: PresetName;
  readonly threads: number;
  readonly rounds: number;
  readonly requests: number;
}

function cascadeCommand(): Command {
  return new Command('cascade')
    .description("pairs of request and ad that the simulated cascade's final and early stage score in a second")
    .addOption(new Option('--preset <name>', 'the simulated system').choices(PRESET_NAMES).default('paper'))
    .option('--threads <count>', 'threads and cores: the process is pinned to so many', positiveInteger, 2)
    .option('--rounds <count>', 'timed rounds of each stage', positiveInteger, 15)
    .option('--requests <count>', 'requests of each thread in a round', positiveInteger, 1000)
    .action(runCascade);
}

async function runCascade(options: CascadeCommandOptions): Promise<void> {
  const [{ pinToCores }, { benchCascade }, { formatCascade }, { loadSimulation }] = await Promise.all([
    import('../bench/environment.js'),
    import('../bench/cascade.js'),
    import('../bench/cascade-text.js'),
    import('../cascade/config.js'),
  ]);
  const addon = loadAddon();
  pinToCores(addon, options.threads);
  const result = await benchCascade(addon, loadSimulation(undefined, { preset: options.preset }), options);
  printResult(options, result, () => formatCascade(result));
}
