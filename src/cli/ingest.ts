/** `prerank ingest CONFIG`: encodes logs into a dataset folder. */
import { Command } from 'commander';
import type { FeatureSummary } from '../data/dataset-file.js';
import type { EncodedDataset } from '../data/encode.js';
import type { IngestProgress, Split } from '../data/ingest.js';
import { EncodingDisplay } from '../train/encoding-display.js';
import { Progress } from '../train/progress.js';
import { byteCount, collect, nonNegativeInteger, positiveInteger, splitName } from './arguments.js';
import { type CommonOptions, EXIT, printResult } from './output.js';

interface Options extends CommonOptions {
  readonly out: string;
  readonly split?: Split;
  readonly append?: boolean;
  readonly memory?: number;
  readonly threads?: number;
  readonly maxBad?: number;
  readonly set: readonly string[];
}

export function ingestCommand(): Command {
  return new Command('ingest')
    .description('encode the logs of a configuration into a dataset folder that training maps into memory')
    .argument('<config>', 'configuration (YAML)')
    .requiredOption('--out <folder>', 'dataset folder: gets train and eval')
    .option('--split <name>', 'only train or only eval (default: both, as configured)', splitName)
    .option('--append', 'add files that the dataset does not list yet; old rows and ids stay')
    .option('--memory <size>', 'bound of the memory used, for example 512MiB (default: 2GiB)', byteCount)
    .option('--threads <n>', 'threads (default: as configured, every core)', positiveInteger)
    .option('--max-bad <n>', 'bad rows tolerated (default: data.maxBad)', nonNegativeInteger)
    .option('--set <path=value>', 'change a value of the configuration, may be repeated', collect, [])
    .action(runIngest);
}

async function runIngest(path: string, options: Options): Promise<void> {
  const { loadConfig } = await import('../config/load.js');
  const { ingest } = await import('../data/ingest.js');
  const { out, split, append, memory, threads, maxBad } = options;
  const bad = maxBad === undefined ? [] : [`data.maxBad=${maxBad}`];
  const config = loadConfig(path, { set: [...options.set, ...bad] });
  const stop = new AbortController();
  const onSignal = (): void => {
    if (stop.signal.aborted) process.exit(EXIT.interrupted);
    process.stderr.write('\nstopping; once more to quit at once\n');
    stop.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  const progress = new Progress(process.stderr);
  const display = new EncodingDisplay(progress);
  try {
    const onProgress = (state: IngestProgress): void => display.update(state.split, state);
    const done = await ingest(config, { out, split, append, memory, threads, onProgress, signal: stop.signal });
    progress.close();
    const results = { train: done.train && describe(done.train), eval: done.eval && describe(done.eval) };
    printResult(options, results, () => formatResults(done));
  } finally {
    progress.close();
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

/** A dataset without the values of its vocabularies. */
function describe({ featureMap, ...dataset }: EncodedDataset): object {
  const tables = featureMap.tables.map(({ name, rows }) => ({ name, rows }));
  return { ...dataset, tables };
}

function formatResults(done: { readonly train: EncodedDataset | null; readonly eval: EncodedDataset | null }): string {
  return (['train', 'eval'] as const).flatMap((split) => formatDataset(split, done[split])).join('\n');
}

function formatDataset(split: Split, dataset: EncodedDataset | null): string[] {
  if (dataset === null) return [];
  const { dir, rows, reused, summary } = dataset;
  if (reused) return [`${split}: ${rows} rows, unchanged (${dir})`];
  const left = [
    [summary.rejected, 'rejected'],
    [summary.dropped, 'dropped for nulls'],
    [summary.sampledOut, 'not drawn'],
    [summary.duplicates, 'duplicates'],
  ] as const;
  const notes = left.flatMap(([n, what]) => (n === 0 ? [] : [`${n} ${what}`]));
  const added = summary.rows === rows ? '' : `, ${summary.rows} of them added`;
  return [
    `${split}: ${rows} rows${added}${notes.length === 0 ? '' : ` (${notes.join(', ')})`} in ${dir}`,
    ...summary.vocabularies.flatMap(({ table, refused }) =>
      refused === 0 ? [] : [`  table ${table} is full: ${refused} values found no room`],
    ),
    ...summary.features.flatMap((feature) => formatUnknown(feature)),
  ];
}

function formatUnknown({ name, ids, outOfVocabulary }: FeatureSummary): string[] {
  if (outOfVocabulary === 0) return [];
  const share = ((100 * outOfVocabulary) / ids).toFixed(2);
  return [`  ${name}: ${outOfVocabulary} of ${ids} ids out of vocabulary (${share} %)`];
}
