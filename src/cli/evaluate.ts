/** `prerank evaluate RUN`: judges a run's model on evaluation data. */
import { join } from 'node:path';
import { Command } from 'commander';
import { PrerankError } from '../base/errors.js';
import { writeJsonDurable } from '../base/files.js';
import { checkpointName, deviceName, nonNegativeInteger, positiveInteger, positiveIntegers } from './arguments.js';
import { type CommonOptions, printResult } from './output.js';

interface Options extends CommonOptions {
  readonly data?: string[];
  readonly replay?: string[];
  readonly k?: number[];
  readonly m?: number[];
  readonly resamples?: number;
  readonly seed?: number;
  readonly checkpoint?: 'last' | 'best' | number;
  readonly threads?: number;
  readonly device?: string;
  readonly out?: string;
}

export function evaluateCommand(): Command {
  return new Command('evaluate')
    .description("judge a run's model; prints a table and writes evaluation.json into the run's folder")
    .argument('<run>', 'folder of a run')
    .option('--data <path...>', "logs to judge on (default: the configuration's data.eval)")
    .option('--replay <log...>', 'replay complete requests, whole and by slice: files, globs or a dataset folder')
    .option('--k <n...>', 'K of the recall metrics (default: as configured); several with --replay', positiveIntegers)
    .option('--m <n...>', 'with --replay: more numbers of early picks for RCS', positiveIntegers)
    .option('--resamples <n>', 'with --replay: resamples of the requests (default: 1000)', positiveInteger)
    .option('--seed <n>', "with --replay: of the resamples (default: the run's)", nonNegativeInteger)
    .option(
      '--checkpoint <name>',
      'judge a checkpoint: last, best or a step (default: the model of the run)',
      checkpointName,
    )
    .option('--threads <n>', 'threads (default: as configured)', positiveInteger)
    .option('--device <name>', 'auto, cpu or cuda:N (default: as configured)', deviceName)
    .option('--out <file>', 'where to write the JSON (with --replay: default nowhere)')
    .action(runEvaluate);
}

async function runEvaluate(folder: string, options: Options): Promise<void> {
  const { openRun } = await import('../train/run.js');
  requireTogether(options);
  const run = await openRun(folder, {
    checkpoint: options.checkpoint,
    threads: options.threads,
    device: options.device,
  });
  const { replay, k, m, resamples, seed } = options;
  if (replay !== undefined) {
    const { evaluateReplay } = await import('../experiment/replay-evaluation.js');
    const { formatReplay } = await import('../experiment/replay-text.js');
    const replayed = await evaluateReplay(run, { replay, k, m, resamples, seed });
    if (options.out !== undefined) await writeJsonDurable(options.out, replayed);
    printResult(options, replayed, () => formatReplay(replayed));
    return;
  }
  const { evaluate } = await import('../train/evaluate.js');
  const { formatEvaluation } = await import('../train/evaluation-result.js');
  const result = await evaluate(run, { data: options.data, k: k?.[0] });
  await writeJsonDurable(options.out ?? join(folder, 'evaluation.json'), result);
  printResult(options, result, () => formatEvaluation(result));
}

/** @throws USAGE for options that do not go together. */
function requireTogether({ replay, data, k = [], m, resamples, seed }: Options): void {
  if (replay !== undefined && data !== undefined) {
    throw new PrerankError('USAGE', '--replay and --data are two ways to judge a run: give one of them');
  }
  const alone = k.length > 1 || m !== undefined || resamples !== undefined || seed !== undefined;
  if (replay === undefined && alone) {
    throw new PrerankError('USAGE', 'several --k, --m, --resamples and --seed need --replay');
  }
}
