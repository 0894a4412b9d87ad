/** `prerank predict RUN INPUT`: scores a log. */
import { Command } from 'commander';
import { checkpointName, deviceName, positiveInteger } from './arguments.js';
import { type CommonOptions, printResult } from './output.js';

interface Options extends CommonOptions {
  readonly out: string;
  readonly checkpoint?: 'last' | 'best' | number;
  readonly threads?: number;
  readonly device?: string;
}

export function predictCommand(): Command {
  return new Command('predict')
    .description('score every row of a log; writes Parquet with the ids and the predictions, in the order of the rows')
    .argument('<run>', 'folder of a run')
    .argument('<input...>', 'logs: Parquet, CSV, JSON or Arrow files, or globs')
    .requiredOption('--out <file>', 'Parquet file to write')
    .option(
      '--checkpoint <name>',
      'use a checkpoint: last, best or a step (default: the model of the run)',
      checkpointName,
    )
    .option('--threads <n>', 'threads (default: as configured)', positiveInteger)
    .option('--device <name>', 'auto, cpu or cuda:N (default: as configured)', deviceName)
    .action(runPredict);
}

async function runPredict(folder: string, input: string[], options: Options): Promise<void> {
  const { predict } = await import('../train/predict.js');
  const { openRun } = await import('../train/run.js');
  const run = await openRun(folder, {
    checkpoint: options.checkpoint,
    threads: options.threads,
    device: options.device,
  });
  const result = await predict(run, { input, output: options.out });
  printResult(options, result, () => `${result.rows} rows: ${result.columns.join(', ')}\n${result.output}`);
}
