import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { ConfigInput } from '../../src/config/schema.js';
import { skip } from '../support/skip.js';
import { configOf, type DataInput, encode, readColumns, sql, temporaryFolder } from './support/logs.js';

const SHARED = process.env.PRERANK_SHARED ?? resolve('../shared');

interface RealSet {
  readonly name: string;
  readonly rows: readonly [train: number, test: number];
  readonly data: Omit<DataInput, 'train' | 'eval'>;
  readonly tasks?: ConfigInput['tasks'];
}

const categorical = (...names: string[]): DataInput['features'] & unknown[] =>
  names.map((name) => ({ name, kind: 'categorical' as const }));

const KDD_IDS = [
  'url_hash',
  'ad_id',
  'advertiser_id',
  'query_id',
  'keyword_id',
  'title_id',
  'description_id',
  'user_id',
];

const SETS: readonly RealSet[] = [
  {
    name: 'movielens_100k',
    rows: [80_048, 19_952],
    data: {
      columns: { click: 'click', user: 'user_id', time: 'ts' },
      features: [
        ...categorical('user_id', 'gender', 'occupation', 'zip_code', 'item_id'),
        { name: 'age', kind: 'dense' },
        { name: 'release_year', kind: 'dense' },
        { name: 'genres', kind: 'multi' },
      ],
    },
  },
  {
    name: 'kdd12_soso_40k',
    rows: [32_053, 7895],
    data: {
      columns: { click: 'click' },
      features: [
        ...categorical('position', ...KDD_IDS),
        { name: 'depth', kind: 'dense', transform: ['log1p', 'standardize'] },
      ],
    },
  },
];

describe('real logs', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  after(folder.remove);
  const files = (name: string) =>
    ['train', 'test'].map((split) => join(SHARED, 'data', name, `${split}.parquet`)) as [string, string];
  const present = (name: string): boolean => files(name).every((path) => existsSync(path));

  async function encodeBoth({ name, rows, data, tasks }: RealSet): Promise<Record<string, unknown[]>> {
    const [train, test] = files(name);
    const config = configOf({ ...data, train, eval: test }, tasks);
    const encoded = await encode(config, join(folder.path, name, 'train'));
    const { featureMap } = encoded;
    const evaluated = await encode(config, join(folder.path, name, 'eval'), { split: 'eval', featureMap });
    assert.deepEqual([encoded.rows, evaluated.rows], rows);
    assert.deepEqual(evaluated.columns, encoded.columns);
    const columns = readColumns(encoded.dir);
    for (const feature of featureMap.features) {
      if (feature.kind === 'dense') continue;
      const size = featureMap.tables.find((table) => table.name === feature.table)?.rows ?? 0;
      const ids = (columns[feature.column] ?? []).flat() as number[];
      assert.ok(
        ids.every((id) => id < size),
        `${feature.name} stays below ${size}`,
      );
    }
    return readColumns(evaluated.dir);
  }

  for (const set of SETS) {
    it(`encodes ${set.name}`, async function () {
      if (!present(set.name)) skip(this, `no ${set.name} in ${SHARED}`);
      const columns = await encodeBoth(set);
      const clicks = (columns['role.click'] as number[]).reduce((a, b) => a + b, 0);
      const [row] = await sql(`SELECT sum(click)::INT AS clicks FROM '${files(set.name)[1]}'`);
      assert.equal(clicks, row?.clicks);
    });
  }

  it('encodes census_income_100k with two labels and 40 mixed columns', async function () {
    const name = 'census_income_100k';
    if (!present(name)) skip(this, `no ${name} in ${SHARED}`);
    const excluded = ['marital_stat', 'instance_weight', 'row_id', 'label_income', 'label_never_married'];
    const described = await sql(`DESCRIBE SELECT * FROM '${files(name)[0]}'`);
    const columns = described.filter((column) => !excluded.includes(String(column.column_name)));
    const features = columns.map((column) => ({
      name: String(column.column_name).replace(/[^A-Za-z0-9_-]/g, '_'),
      column: String(column.column_name),
      kind: column.column_type === 'VARCHAR' ? ('categorical' as const) : ('dense' as const),
    }));
    const tasks = { income: { label: 'label_income' }, single: { label: 'label_never_married' } };
    const encoded = await encodeBoth({ name, rows: [79_852, 19_910], data: { features }, tasks });
    assert.equal(Object.keys(encoded).filter((column) => column.startsWith('feature.')).length, columns.length);
    assert.ok((encoded['label.label_income'] as number[]).every((y) => y === 0 || y === 1));
    assert.equal(encoded['label.label_never_married']?.length, 19_910);
  });
});
