/** `prerank evaluate RUN`: judges a run's model on evaluation data. */
import { join } from 'node:path';
import { Command } from 'commander';
import { writeJsonDurable } from '../base/files.js';
import { formatEvaluation } from '../train/evaluation-result.js';
import { checkpointName, positiveInteger } from './arguments.js';
import { type CommonOptions, printResult } from './output.js';

interface Options extends CommonOptions {
  readonly data?: string[];
  readonly k?: number;
  readonly checkpoint?: 'last' | 'best' | number;
  readonly threads?: number;
  readonly out?: string;
}

export function evaluateCommand(): Command {
  return new Command('evaluate')
    .description("judge a run's model; prints a table and writes evaluation.json into the run's folder")
    .argument('<run>', 'folder of a run')
    .option('--data <path...>', "logs to judge on (default: the configuration's data.eval)")
    .option('--k <n>', 'K of the recall metrics (default: as configured)', positiveInteger)
    .option(
      '--checkpoint <name>',
      'judge a checkpoint: last, best or a step (default: the model of the run)',
      checkpointName,
    )
    .option('--threads <n>', 'threads (default: as configured)', positiveInteger)
    .option('--out <file>', 'where to write the JSON')
    .action(runEvaluate);
}

async function runEvaluate(folder: string, options: Options): Promise<void> {
  const { evaluate } = await import('../train/evaluate.js');
  const { openRun } = await import('../train/run.js');
  const run = await openRun(folder, { checkpoint: options.checkpoint, threads: options.threads });
  const result = await evaluate(run, { data: options.data, k: options.k });
  await writeJsonDurable(options.out ?? join(folder, 'evaluation.json'), result);
  printResult(options, result, () => formatEvaluation(result));
}
