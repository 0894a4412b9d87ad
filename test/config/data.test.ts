import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type ConfigOverrides, loadConfig, toYaml } from '../../src/config/load.js';
import { configFolder, dlrm, EXAMPLE, invalid, invalidWith } from './support/configs.js';

describe('config: data', () => {
  const folder = configFolder();
  const { file } = folder;

  it('completes splits, sampling and duplicates', () => {
    const given = (data: object) => loadConfig(dlrm(), { overrides: { data } as ConfigOverrides }).data;
    const columns = { request: 'r', ad: 'a', stage: 's', time: 't' };
    assert.deepEqual(given({ columns, augmentation: {} }).augmentation, {
      pool: 'mixed',
      perRequest: 4,
      weight: 'none',
    });
    assert.deepEqual(given({ columns, augmentation: { rate: 0.5, weight: 'inverse' } }).augmentation, {
      pool: 'mixed',
      rate: 0.5,
      weight: 'inverse',
    });
    const { sampling, duplicates } = given({ columns, sampling: { stages: { retrieved: 0.01 } }, duplicates: 'drop' });
    assert.deepEqual([sampling?.stages.retrieved, sampling?.stages.click, sampling?.weight], [0.01, 1, 'none']);
    assert.equal(duplicates, 'drop');
    assert.deepEqual(given({ columns, split: { by: 'hash' } }).split, { by: 'hash', fraction: 0.1 });
    assert.deepEqual(given({ columns, split: { by: 'time', at: '2024-01-31' } }).split, {
      by: 'time',
      at: '2024-01-31',
    });
    const vocabulary = { minFrequency: 1, capacity: 100 };
    const [feature] = given({ features: [{ name: 'c', kind: 'categorical', vocabulary }] }).features.context;
    assert.deepEqual(feature?.kind === 'categorical' && feature.vocabulary, vocabulary);
  });

  it('refuses splits and sampling without their roles, and two ways at once', () => {
    const columns = { request: 'r', ad: 'a', stage: 's', time: 't' };
    const bad: readonly (readonly [data: object, pattern: RegExp])[] = [
      [{ split: { by: 'time', at: 3 } }, /^data\.split: a split by time needs data\.columns\.time/],
      [{ split: { by: 'hash' } }, /^data\.split: a split by hash needs data\.columns\.request/],
      [{ split: { by: 'hash', fraction: 1 } }, /^data\.split\.fraction/],
      [{ split: { by: 'day' } }, /^data\.split\.by: expected by: time, hash or column/],
      [{ columns, eval: 'e.csv', split: { by: 'hash' } }, /^data\.split: give either data\.eval or data\.split/],
      [{ sampling: { stages: {} } }, /^data\.sampling: sampling by stage needs data\.columns\.stage/],
      [{ columns, sampling: { stages: { early: 2 } } }, /^data\.sampling\.stages\.early/],
      [{ columns, sampling: { stages: { seen: 1 } } }, /^data\.sampling\.stages: unknown key "seen"/],
      [{ columns, sampling: { stages: {} }, augmentation: {} }, /^data\.sampling: give either/],
      [{ columns, augmentation: { rate: 1, perRequest: 2 } }, /^data\.augmentation\.rate: give either/],
      [{ duplicates: 'drop' }, /^data\.duplicates: needs data\.columns\.request/],
    ];
    for (const [data, pattern] of bad) invalidWith({ data }, pattern);
  });

  it('completes a configuration that trains on a dataset folder', () => {
    const stored = {
      columns: { click: 'click', request: 'r' },
      features: {
        user: [],
        ad: [],
        context: [{ name: 'age', kind: 'dense', column: 'age', transform: [], nulls: 'drop' }],
      },
      split: { by: 'hash', fraction: 0.2 },
    };
    for (const split of ['train', 'eval']) {
      mkdirSync(join(folder.dir, 'set', split), { recursive: true });
      file(JSON.stringify({ config: stored }), `set/${split}/dataset.json`);
    }
    const model = { model: { kind: 'dlrm' }, tasks: { click: { label: 'click' } } };
    const load = (data: object) => loadConfig(file(JSON.stringify({ data, ...model }))).data;
    const {
      train,
      eval: evaluation,
      columns,
      features,
      split,
    } = load({ train: 'set', split: { by: 'hash', fraction: 0.2 } });
    assert.deepEqual([train, evaluation], [[join(folder.dir, 'set', 'train')], [join(folder.dir, 'set', 'eval')]]);
    assert.deepEqual([columns, features, split], [stored.columns, stored.features, undefined]);
    assert.equal(load({ train: 'set/train' }).eval, undefined);
    assert.deepEqual(load({ train: 'set', columns: { click: 'c' }, eval: 'x.csv' }).columns, { click: 'c' });
    invalid(
      () => load({ train: 'set', split: { by: 'hash' } }),
      /was split otherwise \(data\.split\.fraction: 0\.2 → 0\.1\)/,
    );
    file('{', 'set/train/dataset.json');
    assert.throws(() => load({ train: 'set' }), { code: 'DATA_INVALID' });
  });

  it('keeps an SQL source with the folder its paths start at', () => {
    const path = file(EXAMPLE.replace('train: logs/train/*.parquet', 'train: { sql: "SELECT 1" }'));
    assert.deepEqual(loadConfig(path).data.train, { sql: 'SELECT 1', directory: folder.dir });
  });

  it("keeps the tables of an SQL source with their files, whose paths start where the SQL's do", () => {
    const path = file(
      EXAMPLE.replace(
        'train: logs/train/*.parquet',
        'train: { sql: "SELECT * FROM Days", files: { Days: days/*.feather, ads: [ads.csv, "s3://b/ads.json"] } }',
      ),
    );
    const files = { Days: [join(folder.dir, 'days/*.feather')], ads: [join(folder.dir, 'ads.csv'), 's3://b/ads.json'] };
    assert.deepEqual(loadConfig(path).data.train, { sql: 'SELECT * FROM Days', directory: folder.dir, files });
    const moved = loadConfig(path, { set: ['data.train.directory=/logs'] }).data.train;
    assert.ok(moved !== undefined && 'sql' in moved);
    assert.deepEqual(moved.files?.Days, ['/logs/days/*.feather']);
    const again = file(toYaml(loadConfig(path)), 'again.yaml');
    assert.deepEqual(loadConfig(again).data.train, loadConfig(path).data.train);
    invalid(
      () => loadConfig(path, { set: ['data.train.files.days=more.csv'] }),
      /data\.train\.files\.days: the same name as "Days" to SQL/,
    );
    for (const name of ['two words', 'prerank_log', '1st']) {
      invalid(
        () => loadConfig(path, { overrides: { data: { train: { files: { [name]: 'a.csv' } } } } }),
        /data\.train/,
      );
    }
  });

  it('reads SQL from a file, its rows restricted for each log, and runs it where the source says', () => {
    mkdirSync(join(folder.dir, 'queries'));
    file('SELECT 1 AS day; \n', 'queries/log.sql');
    const path = file(
      EXAMPLE.replace('train: logs/train/*.parquet', 'train: { file: queries/log.sql, where: day < 7 }').replace(
        'eval: [logs/eval/a.parquet, /abs/b.parquet]',
        'eval: { file: queries/log.sql, directory: logs }',
      ),
    );
    const { data } = loadConfig(path);
    assert.deepEqual(data.train, { sql: 'SELECT * FROM (\nSELECT 1 AS day\n) WHERE day < 7', directory: folder.dir });
    assert.deepEqual(data.eval, { sql: 'SELECT * FROM (\nSELECT 1 AS day\n)', directory: join(folder.dir, 'logs') });
    const moved = loadConfig(path, { set: ['data.train.directory=elsewhere', 'data.eval.where=day = 7'] });
    assert.deepEqual(moved.data.train, { ...data.train, directory: resolve('elsewhere') });
    assert.match(JSON.stringify(moved.data.eval), /WHERE day = 7/);
    invalid(
      () => loadConfig(path, { set: ['data.train.file=none.sql'] }),
      /data\.train: cannot read the SQL.*none\.sql/,
    );
    invalid(() => loadConfig(path, { set: ['data.train.sql=SELECT 2'] }), /data\.train: expected a path or glob/);
  });
});
