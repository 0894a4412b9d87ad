/** `prerank experiment STUDY…`: reproduces the paper's tables on the simulated cascade, and studies beyond them. */
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { PRESET_NAMES, type PresetName } from '../cascade/presets.js';
import { STUDY_NAMES } from '../experiment/studies.js';
import { collect, positiveInteger } from './arguments.js';
import { type CommonOptions, EXIT, printResult } from './output.js';

interface Options extends CommonOptions {
  readonly seeds: number;
  readonly preset: PresetName;
  readonly set: readonly string[];
  readonly out: string;
  readonly threads?: number;
}

export function experimentCommand(): Command {
  return new Command('experiment')
    .description('run studies on the simulated cascade: the tables of the paper, and what it leaves open')
    .argument('<study...>', `studies: ${STUDY_NAMES.join(', ')}`)
    .option('--seeds <n>', 'seeds 1 to n of world and training', positiveInteger, 5)
    .addOption(new Option('--preset <name>', 'simulation to start from').choices(PRESET_NAMES).default('paper'))
    .option(
      '--set <path=value>',
      "change a value of the simulation or of every run's configuration, may be repeated",
      collect,
      [],
    )
    .option(
      '--out <folder>',
      'keeps logs, runs and figures; what is there is not made again',
      join('runs', 'experiment'),
    )
    .option('--threads <n>', 'threads (default: every core)', positiveInteger)
    .action(runExperimentCommand);
}

async function runExperimentCommand(studies: readonly string[], options: Options): Promise<void> {
  const { requiredHold, resultRows, runExperiment } = await import('../experiment/experiment.js');
  const { markdownReport } = await import('../experiment/markdown.js');
  const { writeReports } = await import('../experiment/report.js');
  const { StepDisplay } = await import('../experiment/step-progress.js');
  const { seeds, preset, set, out, threads } = options;
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  const display = new StepDisplay(process.stderr);
  try {
    const result = await runExperiment({
      studies,
      seeds,
      preset,
      set,
      out,
      threads,
      signal: stop.signal,
      onStep: (step) => display.update(step),
    });
    display.close();
    const files = await writeReports(result, out);
    printResult(options, { ...result, rows: resultRows(result), files }, () => markdownReport(result));
    if (!requiredHold(result)) process.exitCode = EXIT.failure;
  } finally {
    display.close();
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}
