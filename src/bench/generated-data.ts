/** Encoded rows of a reference step, generated: what a dataset folder would hold, in memory. */
import { ROLE_COLUMNS } from '../data/features.js';
import type { ColumnSpec } from '../runtime/native.js';
import { permutation, Random, Zipf } from './random.js';
import { ID_SKEW, type ReferenceStep } from './reference-steps.js';

type ListValues = ColumnSpec['chunks'][number]['values'];

/** Draws permuted zipf ids of one table. */
type DrawId = () => number;

function column(name: string, type: ColumnSpec['type'], values: ColumnSpec['chunks'][number]['values']): ColumnSpec {
  return { name, type, chunks: [{ values, rows: values.length }] };
}

function idColumn(name: string, rows: number, draw: DrawId): ColumnSpec {
  return column(name, 'uint32', Uint32Array.from({ length: rows }, draw));
}

function listOffsets(rows: number, length: () => number): Int32Array<ArrayBuffer> {
  const offsets = new Int32Array(rows + 1);
  for (let row = 0; row < rows; row += 1) offsets[row + 1] = (offsets[row] ?? 0) + length();
  return offsets;
}

/**
 * Columns of `rows` rows: dense features uniform in [−1, 1), ids zipf(1.05) in an order of each table's own, weights of lists uniform in [0, 1), click and
 * impression fair coins, CQS uniform in [−1, 1), the teacher's prediction uniform in [0, 1). The same seed gives the
 * same values; every column draws from a stream of its own.
 */
export function generateColumns(
  step: Pick<ReferenceStep, 'features' | 'listLength' | 'poolingFactors'>,
  rows: number,
  seed: number,
): ColumnSpec[] {
  const samplers = new Map<number, Zipf>();
  const zipf = (count: number): Zipf => {
    const known = samplers.get(count) ?? new Zipf(count, ID_SKEW);
    samplers.set(count, known);
    return known;
  };
  let stream = 0;
  const nextRandom = (): Random => {
    stream += 1;
    return new Random(Math.imul(seed, 0x85ebca6b) + stream);
  };
  const floats = (name: string, low: number): ColumnSpec => {
    const random = nextRandom();
    return column(
      name,
      'float32',
      Float32Array.from({ length: rows }, () => low + (1 - low) * random.unit()),
    );
  };
  const tableRows = new Map(step.features.tables.map((table) => [table.name, table.rows]));

  const features = step.features.features.flatMap((feature): ColumnSpec[] => {
    if (feature.kind === 'dense') return [floats(feature.column, -1)];
    const random = nextRandom();
    const count = tableRows.get(feature.table) ?? 1;
    const sampler = zipf(count);
    const place = permutation(count, random);
    const draw = (): number => place(sampler.draw(random));
    if (feature.kind === 'categorical') return [idColumn(feature.column, rows, draw)];
    const { min, max } = step.listLength;
    const factor = step.poolingFactors?.[feature.name];
    const offsets = listOffsets(rows, () => factor ?? min + random.below(max - min + 1));
    const length = offsets[rows] ?? 0;
    const list = (name: string, type: 'list<uint32>' | 'list<float32>', values: ListValues): ColumnSpec => {
      return { name, type, chunks: [{ values, offsets, rows }] };
    };
    const ids = list(feature.column, 'list<uint32>', Uint32Array.from({ length }, draw));
    if (feature.weightsColumn === undefined) return [ids];
    const weights = nextRandom();
    return [
      ids,
      list(
        feature.weightsColumn,
        'list<float32>',
        Float32Array.from({ length }, () => weights.unit()),
      ),
    ];
  });
  const coin = nextRandom();
  const flip = (): number => coin.below(2);
  return [
    ...features,
    column(ROLE_COLUMNS.click.column, 'float32', Float32Array.from({ length: rows }, flip)),
    column(ROLE_COLUMNS.impression.column, 'uint8', Uint8Array.from({ length: rows }, flip)),
    floats(ROLE_COLUMNS.cqs.column, -1),
    floats(ROLE_COLUMNS.finalCtr.column, 0),
  ];
}
