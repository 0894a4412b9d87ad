import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { PrerankError } from '../../src/base/errors.js';
import { type ConfigOverrides, loadConfig, toYaml } from '../../src/config/load.js';
import type { ConfigInput } from '../../src/config/schema.js';

const EXAMPLE = `name: early-stage
data:
  train: logs/train/*.parquet
  eval: [logs/eval/a.parquet, /abs/b.parquet]
  columns:
    request: request_id
    ad: ad_id
    impression: shown
    click: click
    ctrTraffic: ctr_traffic
    finalCtr: ectr
    cqs: { events: [ { column: p_cross_out, scalar: -1.5 }, { column: p_survey_good, scalar: 0.125 } ] }
    bid: bid
    finalTotalValue: total_value
    time: ts
  augmentation: { pool: mixed, perRequest: 4 }
  shuffle: window
  nulls: default
  maxBad: 0
  features:
    user:
      - { name: age, kind: dense, transform: standardize }
      - { name: country, kind: categorical, vocabulary: { minFrequency: 3 } }
      - { name: recent_ads, kind: multi, table: ad_id }
    ad:
      - { name: ad_id, kind: categorical, hash: { buckets: 1000000 } }
model:
  kind: two-tower
  embeddingDim: 16
  bottom: [64, 16]
  interaction: { kind: dot, keepVectors: true }
  tower: { hidden: [64], out: 32 }
  merge: concat+hadamard
  heads: { hidden: [32] }
tasks:
  ctr:     { weight: 1 }
  cqs:     { weight: 1.5, loss: mse, scale: 0.3 }
  teacher: { weight: 2, target: own }
training:
  batchSize: 4096
  epochs: 1
  checkpointEverySteps: 1000
  sparseOptimizer: { kind: rowwise-adagrad, lr: 0.02 }
  denseOptimizer: { kind: adam, lr: 0.001 }
  seed: 1
  device: auto
evaluation: { k: 50, metrics: [ne, auc, gauc, calibration, nmse, hardRecall, softRecall] }
auction: { form: additive, f: { kind: identity } }
`;

/** A small valid configuration for dlrm. */
function dlrm(): ConfigInput {
  return {
    data: {
      train: '/logs/train.parquet',
      columns: { click: 'click' },
      features: [
        { name: 'age', kind: 'dense' },
        { name: 'city', kind: 'categorical' },
      ],
    },
    model: { kind: 'dlrm' },
    tasks: { click: { label: 'click' } },
  };
}

function invalid(load: () => unknown, ...patterns: RegExp[]): void {
  assert.throws(load, (error: unknown) => {
    assert.ok(error instanceof PrerankError);
    assert.equal(error.code, 'CONFIG_INVALID');
    for (const pattern of patterns) assert.match(error.message, pattern);
    return true;
  });
}

const invalidWith = (overrides: object, ...patterns: RegExp[]): void =>
  invalid(() => loadConfig(dlrm(), { overrides: overrides as ConfigOverrides }), ...patterns);

describe('config', () => {
  let dir = '';
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'prerank-config-'));
    mkdirSync(join(dir, 'sub'));
  });
  after(() => rmSync(dir, { recursive: true }));

  function file(text: string, name = 'config.yaml'): string {
    const path = join(dir, name);
    writeFileSync(path, text);
    return path;
  }

  it('reads the documented example and fills in every default', () => {
    const config = loadConfig(file(EXAMPLE));
    assert.deepEqual(config.data.train, [join(dir, 'logs/train/*.parquet')]);
    assert.deepEqual(config.data.eval, [join(dir, 'logs/eval/a.parquet'), '/abs/b.parquet']);
    assert.equal(config.data.windowRows, 262_144);
    assert.deepEqual(config.data.features.user[0], {
      name: 'age',
      kind: 'dense',
      column: 'age',
      transform: ['standardize'],
      nulls: 'default',
    });
    assert.deepEqual(config.data.features.user[2], {
      name: 'recent_ads',
      kind: 'multi',
      column: 'recent_ads',
      table: 'ad_id',
      dim: 16,
      hash: { buckets: 1_000_000 },
      pooling: 'sum',
      nulls: 'default',
    });
    assert.deepEqual(config.tasks, {
      ctr: { weight: 1, loss: 'bce', delta: 1, augmented: 'pseudo-label' },
      cqs: { weight: 1.5, loss: 'mse', delta: 1, scale: 0.3 },
      teacher: { weight: 2, loss: 'bce', delta: 1, target: 'own', mask: 'ctrTraffic' },
    });
    assert.equal(config.training.keepCheckpoints, 3);
    assert.equal(config.training.threads, 'auto');
    assert.equal(config.training.denseOptimizer.beta2, 0.999);
    assert.deepEqual(config.training.clip, { norm: 0, scope: 'dense' });
    assert.equal(config.evaluation.group, 'request');
    assert.deepEqual(config.auction, { form: 'additive', f: { kind: 'identity' } });
  });

  it('writes YAML that reads back to the same configuration', () => {
    for (const config of [loadConfig(file(EXAMPLE)), loadConfig(dlrm())]) {
      const again = loadConfig(file(toYaml(config), 'sub/config.resolved.yaml'));
      assert.deepEqual(again, config);
      assert.equal(toYaml(again), toYaml(config));
    }
  });

  it('defaults the model, the tasks by the columns, and the metrics by the tasks', () => {
    const { model: _model, tasks: _tasks, ...rest } = dlrm();
    const features = { user: [{ name: 'u', kind: 'categorical' }], ad: [{ name: 'a', kind: 'categorical' }] } as const;
    const config = loadConfig({
      ...rest,
      data: {
        train: 'x.csv',
        columns: { click: 'c', cqs: 'q', request: 'r' },
        features: { user: [...features.user], ad: [...features.ad] },
      },
    });
    assert.equal(config.model.kind, 'two-tower');
    assert.deepEqual(Object.keys(config.tasks), ['ctr', 'cqs']);
    assert.deepEqual(config.evaluation.metrics, ['ne', 'auc', 'gauc', 'logLoss', 'calibration', 'mse', 'nmse']);
    assert.deepEqual(config.data.train, [join(process.cwd(), 'x.csv')]);
    assert.deepEqual(config.data.features.user[0], {
      name: 'u',
      kind: 'categorical',
      column: 'u',
      table: 'u',
      dim: 16,
      vocabulary: { minFrequency: 2 },
      nulls: 'default',
    });
  });

  it('lets --set override the file and the program override --set', () => {
    const path = file(EXAMPLE);
    const config = loadConfig(path, {
      set: [
        'training.batchSize=512',
        'training.epochs=null',
        'training.steps=10',
        'training.seed=7',
        'data.train=[other.parquet]',
        'data.features.user[1].dim=8',
        'model.tower.hidden=[8, 4]',
      ],
      overrides: { training: { seed: 9 } },
    });
    assert.equal(config.training.batchSize, 512);
    assert.equal(config.training.epochs, undefined);
    assert.equal(config.training.steps, 10);
    assert.equal(config.training.seed, 9);
    assert.deepEqual(config.data.train, [join(process.cwd(), 'other.parquet')]);
    assert.equal(config.data.features.user[1]?.kind === 'categorical' && config.data.features.user[1].dim, 8);
    assert.equal(config.model.kind === 'two-tower' && config.model.tower.out, 32);
  });

  it('refuses a malformed --set', () => {
    for (const set of ['training.batchSize', '=3', 'a..b=1']) {
      assert.throws(() => loadConfig(dlrm(), { set: [set] }), { code: 'USAGE' });
    }
  });

  it('names file, line, path and the nearest key of an unknown key', () => {
    const path = file(EXAMPLE.replace('  shuffle: window', '  shufle: window'));
    invalid(() => loadConfig(path), /config\.yaml:3: data: unknown key "shufle"\. Did you mean "shuffle"\?/);
    const nested = file(EXAMPLE.replace('transform: standardize', 'transfrom: standardize'));
    invalid(
      () => loadConfig(nested),
      /config\.yaml:\d+: data\.features\.user\[0\]: unknown key "transfrom"\. Did you mean "transform"\?/,
    );
  });

  it('names the line of a YAML error', () => {
    const path = file('name: a\ndata: {train: [x\nmodel: y');
    assert.throws(
      () => loadConfig(path),
      (error: unknown) => {
        assert.ok(error instanceof PrerankError);
        assert.match(error.message, /no valid YAML/);
        assert.ok(error.where.row !== undefined && error.where.row >= 2);
        return true;
      },
    );
    invalid(() => loadConfig(join(dir, 'absent.yaml')), /cannot read.*absent\.yaml.*no such file/);
    invalid(() => loadConfig(file('- 1\n- 2\n')), /expected a mapping/);
  });

  it('names the path of a wrong value', () => {
    const path = file(EXAMPLE.replace('transform: standardize', 'transform: log2'));
    invalid(() => loadConfig(path), /config\.yaml:22: data\.features\.user\[0\]\.transform: expected none, log1p/);
    invalidWith({ training: { batchSize: 0 } }, /^training\.batchSize: /);
    invalidWith({ training: { batchSize: 'many' } }, /^training\.batchSize: .*expected number/);
    invalidWith({ data: { train: 3 } }, /^data\.train: expected a path or glob/);
    invalidWith(
      { data: { features: [{ name: 'x', kind: 'text' }] } },
      /^data\.features\.context\[0\]\.kind: expected kind dense/,
    );
    invalidWith({ model: { kind: 'tree' } }, /^model\.kind: expected a kind: two-tower, dlrm, mlp/);
    invalidWith({ training: { device: 'cuda:0' } }, /^training\.device: this build has no CUDA device/);
    invalidWith(
      {
        auction: {
          f: {
            kind: 'piecewiseLinear',
            knots: [
              [0, 1],
              [1, 0],
            ],
          },
        },
      },
      /^auction\.f\.knots: .*monotone/,
    );
  });

  it('refuses contradictions', () => {
    invalidWith({ training: { epochs: 1, steps: 2 } }, /^training\.steps: give either epochs or steps/);
    invalidWith({ model: { bottom: [64, 8] } }, /^model\.bottom: the last width must be embeddingDim \(16\), got 8/);
    invalidWith({ tasks: { click: null, other: {} } }, /^tasks\.other: give label/);
    invalidWith(
      { tasks: { teacher: { target: 'ctr', mask: 'hasFinalCtr' } } },
      /tasks\.teacher: task teacher needs data\.columns\.finalCtr/,
      /tasks\.teacher\.mask: target: ctr needs mask: ctrTraffic/,
      /tasks\.teacher\.target: target: ctr needs a task ctr/,
    );
    invalidWith(
      { model: { kind: 'two-tower' } },
      /data\.features\.user: model two-tower needs at least one user feature/,
    );
    invalidWith({ data: { features: [] } }, /^data\.features: at least one feature/);
    invalidWith(
      {
        data: {
          features: [
            { name: 'a', kind: 'dense' },
            { name: 'a', kind: 'dense' },
          ],
        },
      },
      /defined twice/,
    );
    invalidWith(
      {
        data: {
          features: [
            { name: 'a', kind: 'categorical', dim: 4 },
            { name: 'b', kind: 'multi', table: 'a', dim: 8 },
          ],
        },
      },
      /^data\.features\.context\[1\]\.dim: table "a" is shared and has dim 4/,
    );
    invalidWith(
      { data: { features: [{ name: 'a', kind: 'categorical', vocabulary: {}, hash: { buckets: 9 } }] } },
      /either vocabulary or hash/,
    );
    invalidWith({ data: { augmentation: {} } }, /needs data\.columns\.request/, /needs data\.columns\.impression/);
    invalidWith(
      { tasks: { ctr: { augmented: 'negative' } } },
      /^tasks\.ctr\.augmented: negative needs data\.columns\.impression/,
    );
    invalidWith(
      { tasks: { click: { label: 'click', augmented: 'none' } } },
      /^tasks\.click\.augmented: is for the task ctr only/,
    );
    invalidWith({ evaluation: { group: 'user' } }, /^evaluation\.group: needs data\.columns\.user/);
  });

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
      mkdirSync(join(dir, 'set', split), { recursive: true });
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
    assert.deepEqual([train, evaluation], [[join(dir, 'set', 'train')], [join(dir, 'set', 'eval')]]);
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
    assert.deepEqual(loadConfig(path).data.train, { sql: 'SELECT 1', directory: dir });
  });

  it("keeps the tables of an SQL source with their files, whose paths start where the SQL's do", () => {
    const path = file(
      EXAMPLE.replace(
        'train: logs/train/*.parquet',
        'train: { sql: "SELECT * FROM Days", files: { Days: days/*.feather, ads: [ads.csv, "s3://b/ads.json"] } }',
      ),
    );
    const files = { Days: [join(dir, 'days/*.feather')], ads: [join(dir, 'ads.csv'), 's3://b/ads.json'] };
    assert.deepEqual(loadConfig(path).data.train, { sql: 'SELECT * FROM Days', directory: dir, files });
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
    mkdirSync(join(dir, 'queries'));
    file('SELECT 1 AS day; \n', 'queries/log.sql');
    const path = file(
      EXAMPLE.replace('train: logs/train/*.parquet', 'train: { file: queries/log.sql, where: day < 7 }').replace(
        'eval: [logs/eval/a.parquet, /abs/b.parquet]',
        'eval: { file: queries/log.sql, directory: logs }',
      ),
    );
    const { data } = loadConfig(path);
    assert.deepEqual(data.train, { sql: 'SELECT * FROM (\nSELECT 1 AS day\n) WHERE day < 7', directory: dir });
    assert.deepEqual(data.eval, { sql: 'SELECT * FROM (\nSELECT 1 AS day\n)', directory: join(dir, 'logs') });
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
