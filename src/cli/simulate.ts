/** `prerank simulate [CONFIG]`: writes the logs of a simulated ads cascade. */
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { PRESET_NAMES, type PresetName } from '../cascade/presets.js';
import type { SimulateSummary } from '../cascade/simulate.js';
import { collect, nonNegativeInteger, positiveInteger } from './arguments.js';
import { type CommonOptions, printResult } from './output.js';

interface Options extends CommonOptions {
  readonly preset: PresetName;
  readonly out: string;
  readonly final?: string;
  readonly early?: string;
  readonly seed?: number;
  readonly set: readonly string[];
  readonly threads?: number;
}

export function simulateCommand(): Command {
  return new Command('simulate')
    .description('simulate an ads cascade and write its logs: training, evaluation and replay, with a configuration')
    .argument('[config]', 'configuration of the simulation (YAML), over the preset')
    .addOption(
      new Option('--preset <name>', 'what the configuration starts from').choices(PRESET_NAMES).default('paper'),
    )
    .requiredOption('--out <folder>', 'folder to write; must be new or empty')
    .option('--seed <n>', 'seed of the world (default: as configured)', nonNegativeInteger)
    .option('--final <run>', 'a trained run is the final stage: teacher.run')
    .option('--early <run>', 'a trained run is the logging early stage: early.run')
    .option('--set <path=value>', 'change a value of the configuration, may be repeated', collect, [])
    .option('--threads <n>', 'threads (default: every core); the files do not depend on it', positiveInteger)
    .action(runSimulate);
}

async function runSimulate(path: string | undefined, options: Options): Promise<void> {
  const { loadSimulation } = await import('../cascade/config.js');
  const { simulate } = await import('../cascade/simulate.js');
  const { Progress } = await import('../train/progress.js');
  const { modelStages } = await import('../experiment/model-stages.js');
  const { out, preset, threads } = options;
  const config = loadSimulation(path, { preset, set: options.set, overrides: overridesOf(options) });
  const models = await modelStages(config, { threads });
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  const progress = new Progress(process.stderr);
  const begin = performance.now();
  try {
    const summary = await simulate(config, {
      out,
      threads,
      stages: Object.keys(models).length === 0 ? undefined : () => models,
      signal: stop.signal,
      onProgress: ({ requests, totalRequests, rows }) => {
        const seconds = (performance.now() - begin) / 1000;
        progress.update({
          done: requests,
          total: totalRequests,
          stepsPerSecond: requests / seconds,
          samplesPerSecond: rows / seconds,
          figures: [],
        });
      },
    });
    progress.close();
    printResult(options, { out, ...summary }, () => formatSummary(summary, out));
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

function overridesOf({ seed, final, early }: Options): object {
  return {
    ...(seed === undefined ? {} : { seed }),
    ...(final === undefined ? {} : { teacher: { run: final } }),
    ...(early === undefined ? {} : { early: { run: early } }),
  };
}

const percent = (value: number | null): string => (value === null ? '-' : `${(100 * value).toFixed(2)} %`);
const decimal = (value: number | null): string => (value === null ? '-' : value.toFixed(3));

function formatSummary({ logs, seconds, scored, scoredPerSecond }: SimulateSummary, out: string): string {
  const lines = Object.entries(logs).map(
    ([name, log]) =>
      `${name}: ${log.requests} requests, ${log.rows} rows ` +
      `(${log.impressions} impressions, ${log.finalNonImpressions} final-stage and ${log.earlyNonImpressions} early-stage ` +
      `non-impressions; ${log.qualityOnly} outside CTR traffic)`,
  );
  const { train, replay } = logs;
  return [
    ...lines,
    `CTR ${percent(train.ctr)}, CVR ${percent(train.cvr)}, total value per impression ` +
      `${decimal(train.totalValuePerImpression)}; candidates: mean |CQS| ${decimal(replay.meanAbsoluteCqs)}, ` +
      `mean bid · EAR ${decimal(replay.meanAction)}`,
    `logging early stage: hard recall ${decimal(replay.hardRecall)}, soft recall ${decimal(replay.softRecall)}`,
    `${seconds.total.toFixed(1)} s; ${scored} pairs scored, by oracles ${Math.round(scoredPerSecond)} per second and thread` +
      (seconds.models > 0 ? `; models took ${seconds.models.toFixed(1)} s` : ''),
    `train on it: prerank train ${join(out, 'config.yaml')}`,
  ].join('\n');
}
