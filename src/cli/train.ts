/** `prerank train CONFIG`: trains a model and leaves a run folder. */
import { join } from 'node:path';
import { Command } from 'commander';
import { formatEvaluation } from '../train/evaluation-result.js';
import { Progress } from '../train/progress.js';
import type { TrainSummary } from '../train/summary.js';
import { collect, positiveInteger } from './arguments.js';
import { type CommonOptions, EXIT, printResult } from './output.js';

interface Options extends CommonOptions {
  readonly out?: string;
  readonly resume?: boolean;
  readonly set: readonly string[];
  readonly threads?: number;
}

export function trainCommand(): Command {
  return new Command('train')
    .description('train a model and leave config, metrics, checkpoints and model in a run folder')
    .argument('<config>', 'configuration (YAML)')
    .option('--out <folder>', 'folder of the run (default: runs/NAME, NAME from the configuration)')
    .option('--resume', "go on from the run's last checkpoint")
    .option('--set <path=value>', 'change a value of the configuration, may be repeated', collect, [])
    .option('--threads <n>', 'threads (default: as configured, every core)', positiveInteger)
    .action(runTrain);
}

async function runTrain(path: string, options: Options): Promise<void> {
  const { loadConfig } = await import('../config/load.js');
  const { train } = await import('../train/train.js');
  const threads = options.threads === undefined ? [] : [`training.threads=${options.threads}`];
  const config = loadConfig(path, { set: [...options.set, ...threads] });
  const out = options.out ?? join('runs', config.name);
  const stop = new AbortController();
  const onSignal = (): void => {
    if (stop.signal.aborted) {
      process.exit(EXIT.interrupted);
    }
    process.stderr.write('\nfinishing the step and writing a checkpoint; once more to quit at once\n');
    stop.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    const summary = await train(config, {
      out,
      resume: options.resume ?? false,
      signal: stop.signal,
      progress: new Progress(process.stderr),
    });
    printResult(options, { out, ...summary }, () => formatSummary(summary, out));
    if (summary.status === 'interrupted') {
      process.stderr.write(
        `interrupted at step ${summary.step}; prerank train ${path} --out ${out} --resume goes on\n`,
      );
      process.exitCode = EXIT.interrupted;
    }
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

function formatSummary(summary: TrainSummary, out: string): string {
  const { step, samples, samplesPerSecond, waitShare, trainSeconds, status, reason, metrics } = summary;
  const how = reason === null ? status : `${status} (${reason})`;
  const lines = [
    `${how}: ${step} steps, ${samples} samples in ${trainSeconds.toFixed(1)} s ` +
      `(${Math.round(samplesPerSecond)} per second, ${(100 * waitShare).toFixed(1)} % waiting for data)`,
  ];
  if (metrics.eval !== null) {
    const { replay = null, ...tasks } = metrics.eval;
    lines.push(formatEvaluation({ rows: summary.rows.eval ?? 0, step: summary.modelStep, tasks, replay, notes: [] }));
  }
  return [...lines, `run: ${out}`].join('\n');
}
