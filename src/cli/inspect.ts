/** `prerank inspect PATH`: a log's schema and statistics, a dataset's summary, or a run's model and parameters. */
import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { PrerankError } from '../base/errors.js';
import type { InspectedColumn, InspectedFile } from '../data/inspect.js';
import { formatTable } from '../train/evaluation-result.js';
import type { InspectedRun } from '../train/inspect-run.js';
import { runPaths } from '../train/run-folder.js';
import { deviceName } from './arguments.js';
import { formatInspectedDataset } from './inspect-dataset.js';
import { type CommonOptions, printResult } from './output.js';

export function inspectCommand(): Command {
  return new Command('inspect')
    .description("show a log's schema and statistics, a dataset's summary, or a run's model and parameter table")
    .argument('<path>', 'log file, folder or glob; folder of a dataset, or of a run')
    .option('--gates', 'of a run: the mean weights that its gates give their experts on a log')
    .option('--data <path...>', "with --gates: logs to average over (default: the configuration's data.eval)")
    .option('--device <name>', 'with --gates: auto, cpu or cuda:N (default: as configured)', deviceName)
    .action(runInspect);
}

interface Options extends CommonOptions {
  readonly gates?: boolean;
  readonly data?: string[];
  readonly device?: string;
}

async function showGates(path: string, { data, device, ...options }: Options): Promise<void> {
  const { formatGates, gateMeans } = await import('../train/gates.js');
  const { openRun } = await import('../train/run.js');
  const found = await gateMeans(await openRun(path, { device }), { data });
  printResult(options, found, () => formatGates(found));
}

async function runInspect(path: string, options: Options): Promise<void> {
  if (options.gates) return showGates(path, options);
  if (options.data !== undefined) throw new PrerankError('USAGE', '--data belongs to --gates');
  if (existsSync(runPaths(path).config)) {
    const { describeRun } = await import('../train/inspect-run.js');
    const run = await describeRun(path);
    const { gateTable } = await import('../train/gates.js');
    printResult(options, run, () => formatRun(run, run.gates ? gateTable(run.gates) : []));
    return;
  }
  const { datasetFolders, inspectDataset } = await import('../data/inspect-dataset.js');
  const datasets = datasetFolders(path).map(inspectDataset);
  if (datasets.length > 0) {
    printResult(options, { datasets }, () => datasets.map(formatInspectedDataset).join('\n\n'));
  } else {
    const { inspectFile } = await import('../data/inspect.js');
    const file = await inspectFile(path);
    printResult(options, file, () => formatFile(file));
  }
}

function formatFile(file: InspectedFile): string {
  const head = ['column', 'type', 'nulls', 'distinct', 'min', 'max', 'mean', 'length p50', 'length p99'];
  const cells = (column: InspectedColumn): string[] => [
    column.name,
    column.type,
    String(column.nulls),
    String(column.distinct),
    shorten(column.min ?? ''),
    shorten(column.max ?? ''),
    formatNumber(column.mean),
    formatNumber(column.lengthP50),
    formatNumber(column.lengthP99),
  ];
  return [`${file.path}: ${file.rows} rows`, '', ...formatTable(head, file.columns.map(cells))].join('\n');
}

const CELL_CHARACTERS = 24;

function shorten(text: string): string {
  return text.length > CELL_CHARACTERS ? `${text.slice(0, CELL_CHARACTERS - 1)}…` : text;
}

function formatNumber(value: number | null): string {
  return value === null ? '' : String(Number(value.toPrecision(6)));
}

/** `gates`: the table of the run's gates. */
function formatRun(run: InspectedRun, gates: readonly string[]): string {
  const tasks = run.tasks.map(({ name, loss, weight }) => `${name} (${loss}, weight ${weight})`);
  const rows = run.parameters.map(({ name, shape, count }) => [name, `[${shape.join(', ')}]`, String(count)]);
  const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  return [
    `${run.name}: ${run.model}`,
    `tasks: ${tasks.join(', ')}`,
    `features: ${run.features}`,
    `checkpoints: last ${run.checkpoints.last ?? '-'}, best ${run.checkpoints.best ?? '-'}`,
    '',
    ...formatTable(['parameter', 'shape', 'count'], rows),
    '',
    `${run.parameterCount} parameters: ${run.tableParameterCount} in tables, ` +
      `${run.parameterCount - run.tableParameterCount} dense; ${mebibytes(run.bytes)}`,
    ...(gates.length === 0 ? [] : ['', ...gates]),
    ...(run.connections ? [`${run.connections.open} of ${run.connections.all} connections are open`] : []),
  ].join('\n');
}
