/** `prerank importance RUN`: permutation importance of a run's features, and the best of them for another model. */
import { Command } from 'commander';
import { PrerankError } from '../base/errors.js';
import { writeTextDurable } from '../base/files.js';
import { checkpointName, deviceName, nonNegativeInteger, positiveInteger } from './arguments.js';
import { type CommonOptions, printResult } from './output.js';

interface Options extends CommonOptions {
  readonly data?: string[];
  readonly shuffles: number;
  readonly seed?: number;
  readonly task?: string;
  readonly top?: number;
  readonly base?: string;
  readonly writeConfig?: string;
  readonly checkpoint?: 'last' | 'best' | number;
  readonly threads?: number;
  readonly device?: string;
}

export function importanceCommand(): Command {
  return new Command('importance')
    .description("permutation importance of a run's features; adds the best of them to another configuration")
    .argument('<run>', 'folder of a run')
    .option('--data <path...>', "logs to judge on (default: the configuration's data.eval)")
    .option('--shuffles <n>', 'permutations to average over', positiveInteger, 3)
    .option('--seed <n>', "seed of the permutations (default: the run's)", nonNegativeInteger)
    .option('--task <name>', 'task to rank by (default: the first)')
    .option('--base <file>', 'with --write-config: configuration that the best features are added to')
    .option('--top <n>', 'with --write-config: how many features', positiveInteger)
    .option('--write-config <file>', "write the base's configuration with the best features of the run added")
    .option('--checkpoint <name>', 'judge a checkpoint: last, best or a step', checkpointName)
    .option('--threads <n>', 'threads (default: as configured)', positiveInteger)
    .option('--device <name>', 'auto, cpu or cuda:N (default: as configured)', deviceName)
    .action(runImportance);
}

async function runImportance(folder: string, options: Options): Promise<void> {
  const { base, top, writeConfig, shuffles, seed, data } = options;
  const given = [base, top, writeConfig].filter((option) => option !== undefined).length;
  if (given !== 0 && given !== 3) {
    throw new PrerankError('USAGE', '--write-config, --base and --top belong together');
  }
  const { importance, formatImportance } = await import('../train/importance.js');
  const { loadConfig, toYaml } = await import('../config/load.js');
  const { addFeatures } = await import('../config/add-features.js');
  const { openRun } = await import('../train/run.js');
  const baseConfig = base === undefined ? undefined : loadConfig(base);
  const run = await openRun(folder, {
    checkpoint: options.checkpoint,
    threads: options.threads,
    device: options.device,
  });
  const names = run.model.tasks.map(({ name }) => name);
  const task = options.task ?? names[0] ?? '';
  if (!names.includes(task)) {
    throw new PrerankError('USAGE', `the run has no task ${task}; its tasks are ${names.join(', ')}`);
  }
  const shows = process.stderr.isTTY && !options.json;
  const result = await importance(run, {
    data,
    shuffles,
    seed,
    onProgress: (done, total) => {
      if (shows) process.stderr.write(done < total ? `\r${done} of ${total} permutations` : '\r\u001b[K');
    },
  });
  const ranking = result.ranking[task];
  if (ranking === undefined) {
    throw new PrerankError('METRIC_INPUT', `task ${task} has no metric on this data: no feature can be ranked by it`);
  }
  const selected = top === undefined ? undefined : ranking.slice(0, top);
  if (baseConfig !== undefined && writeConfig !== undefined && selected !== undefined) {
    await writeTextDurable(writeConfig, toYaml(addFeatures(baseConfig, run.config, selected)));
  }
  printResult(
    options,
    { task, ...result, ...(selected === undefined ? {} : { selected, config: writeConfig }) },
    () => {
      const table = formatImportance(result, task);
      return selected === undefined ? table : `${table}\n${writeConfig}: with ${selected.join(', ')}`;
    },
  );
}
