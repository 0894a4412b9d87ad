/** `prerank ab`: compares early stages online, in the simulated cascade. */
import { Command } from 'commander';
import { collect, nonNegativeInteger, positiveInteger } from './arguments.js';
import { type CommonOptions, printResult } from './output.js';

interface Options extends CommonOptions {
  readonly control: string;
  readonly treatment: readonly string[];
  readonly simulation?: string;
  readonly requests?: number;
  readonly seed?: number;
  readonly threads?: number;
}

export function abCommand(): Command {
  return new Command('ab')
    .description('compare early stages online: all drive the simulated cascade on the same requests and random numbers')
    .requiredOption('--control <arm>', 'a run; ctr=RUN,cqs=RUN, … (docs/ab.md); oracle; random')
    .requiredOption('--treatment <arm>', 'may be repeated; each is compared with the control', collect)
    .option(
      '--simulation <file>',
      'configuration of the cascade, or the folder of its logs (default: simulation.yaml beside the logs of the first run)',
    )
    .option('--requests <n>', 'requests to serve (default: as many as the replay log has)', positiveInteger)
    .option('--seed <n>', 'which fresh requests, and which resamples (default: 0)', nonNegativeInteger)
    .option('--threads <n>', 'threads of each model (default: as configured)', positiveInteger)
    .action(runAb);
}

async function runAb(options: Options): Promise<void> {
  const { compareArms } = await import('../experiment/ab.js');
  const { formatAb } = await import('../experiment/ab-text.js');
  const { openNamedArms } = await import('../experiment/arm-notation.js');
  const { Progress } = await import('../train/progress.js');
  const { control, treatment, requests, seed, threads } = options;
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  const progress = new Progress(process.stderr);
  try {
    const { system, arms, stages } = await openNamedArms([control, ...treatment], {
      simulation: options.simulation,
      threads,
    });
    const begin = performance.now();
    const onProgress = (done: number, total: number): void => {
      const perSecond = (1000 * done) / (performance.now() - begin);
      const samplesPerSecond = perSecond * system.config.cascade.retrieved * arms.length;
      progress.update({ done, total, stepsPerSecond: perSecond, samplesPerSecond, figures: [] });
    };
    const result = await compareArms(system, arms, { requests, seed, stages, signal: stop.signal, onProgress });
    progress.close();
    printResult(options, result, () => formatAb(result));
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}
