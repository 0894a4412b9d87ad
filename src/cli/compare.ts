/** `prerank compare RUN_A RUN_B`: two runs as early stages of the same replay log. */
import { Command } from 'commander';
import { PrerankError } from '../base/errors.js';
import {
  type CheckpointName,
  checkpointNames,
  deviceName,
  nonNegativeInteger,
  positiveInteger,
  positiveIntegers,
} from './arguments.js';
import { type CommonOptions, printResult } from './output.js';

interface Options extends CommonOptions {
  readonly replay: string[];
  readonly k?: number[];
  readonly m?: number[];
  readonly resamples?: number;
  readonly seed?: number;
  readonly checkpoint?: CheckpointName[];
  readonly threads?: number;
  readonly device?: string;
}

export function compareCommand(): Command {
  return new Command('compare')
    .description('compare two runs on the same replay log: differences with paired intervals over requests')
    .argument('<runA>', 'folder of the run that is compared with')
    .argument('<runB>', 'folder of the other run')
    .requiredOption('--replay <log...>', 'complete requests with final total values: files, globs or a dataset folder')
    .option('--k <n...>', 'K of the recall metrics (default: as run A is configured)', positiveIntegers)
    .option('--m <n...>', 'more numbers of early picks for RCS', positiveIntegers)
    .option('--resamples <n>', 'resamples of the requests (default: 1000)', positiveInteger)
    .option('--seed <n>', "of the resamples (default: run A's)", nonNegativeInteger)
    .option(
      '--checkpoint <name...>',
      "compare checkpoints: last, best or a step, of both runs, or run A's and run B's (default: the models of the runs)",
      checkpointNames,
    )
    .option('--threads <n>', 'threads (default: as configured)', positiveInteger)
    .option('--device <name>', 'auto, cpu or cuda:N (default: as configured)', deviceName)
    .action(runCompare);
}

async function runCompare(folderA: string, folderB: string, options: Options): Promise<void> {
  const { compareRuns } = await import('../experiment/compare-runs.js');
  const { formatComparison } = await import('../experiment/replay-text.js');
  const { openRun } = await import('../train/run.js');
  const { threads, device, checkpoint: [ofA, ofB = ofA, ...more] = [] } = options;
  if (more.length > 0) throw new PrerankError('USAGE', '--checkpoint takes one name for both runs, or one for each');
  const a = await openRun(folderA, { checkpoint: ofA, threads, device });
  const b = await openRun(folderB, { checkpoint: ofB, threads, device });
  const result = await compareRuns(a, b, options);
  printResult(options, result, () => formatComparison(result));
}
