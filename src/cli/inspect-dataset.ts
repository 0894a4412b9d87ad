/** The text of `prerank inspect` for a dataset folder. */
import type { InspectedDataset, InspectedFeature, InspectedIngest } from '../data/inspect-dataset.js';
import { formatTable } from '../train/evaluation-result.js';

const HEAD = [
  'feature',
  'kind',
  'coverage',
  'nulls',
  'distinct',
  'out of vocabulary',
  'pooling factor',
  'longest',
  'top share',
  'min',
  'max',
  'mean',
  'deviation',
  'skewness',
];

function figure(value: number | null): string {
  return value === null ? '' : String(Number(value.toPrecision(5)));
}

function cells(feature: InspectedFeature): string[] {
  const { name, kind, coverage, nulls, minimum, maximum, mean, deviation, skewness } = feature;
  const ofIds =
    kind === 'dense'
      ? ['', '', '', '', '']
      : [
          String(feature.distinct),
          figure(feature.outOfVocabularyRate),
          figure(feature.poolingFactor),
          String(feature.longest),
          figure(feature.topShare),
        ];
  const ofNumbers = kind === 'dense' ? [minimum, maximum, mean, deviation, skewness].map(figure) : ['', '', '', '', ''];
  return [name, kind, figure(coverage), String(nulls), ...ofIds, ...ofNumbers];
}

function formatIngest(added: InspectedIngest, index: number, ingests: number): string[] {
  const { rows, requests, rejected, dropped, sampledOut, duplicates, vocabularies } = added;
  const full = vocabularies.filter(({ refused }) => refused > 0);
  return [
    '',
    `${ingests === 1 ? 'ingest' : `ingest ${index + 1} of ${ingests}`}: ${rows} rows, ${requests} requests; ` +
      `${rejected} rejected, ${dropped} dropped for nulls, ${sampledOut} not drawn, ${duplicates} duplicates`,
    ...full.map(({ table, refused }) => `table ${table} is full: ${refused} values found no room`),
    '',
    ...formatTable(HEAD, added.features.map(cells)),
  ];
}

export function formatInspectedDataset(dataset: InspectedDataset): string {
  const { folder, split, rows, files, bytes, fingerprint, source, sources, constantInRequest, ingests } = dataset;
  return [
    `${folder}: ${split}, ${rows} rows in ${files} file${files === 1 ? '' : 's'}, ${(bytes / 2 ** 20).toFixed(1)} MiB`,
    `fingerprint: ${fingerprint}`,
    `source: ${source ?? 'not known'} (${sources.join(', ') || 'sql'})`,
    `constant in each request: ${constantInRequest.join(', ') || 'no feature'}`,
    ...ingests.flatMap((added, i) => formatIngest(added, i, ingests.length)),
  ].join('\n');
}
