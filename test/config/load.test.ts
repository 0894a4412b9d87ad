import assert from 'node:assert/strict';
import { join } from 'node:path';
import { PrerankError } from '../../src/base/errors.js';
import { loadConfig, toYaml } from '../../src/config/load.js';
import { configFolder, dlrm, EXAMPLE, invalid, invalidWith } from './support/configs.js';

describe('config', () => {
  const folder = configFolder();
  const { file } = folder;

  it('reads the documented example and fills in every default', () => {
    const config = loadConfig(file(EXAMPLE));
    assert.deepEqual(config.data.train, [join(folder.dir, 'logs/train/*.parquet')]);
    assert.deepEqual(config.data.eval, [join(folder.dir, 'logs/eval/a.parquet'), '/abs/b.parquet']);
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

  it('fills in what an interaction leaves out', () => {
    const interaction = (given: object) => {
      const { model } = loadConfig({ ...dlrm(), model: { kind: 'dlrm', interaction: given } });
      return model.kind === 'dlrm' ? model.interaction : undefined;
    };
    assert.deepEqual(interaction({}), { kind: 'dot', keepVectors: true });
    assert.deepEqual(interaction({ keepVectors: false }), { kind: 'dot', keepVectors: false });
    assert.deepEqual(interaction({ kind: 'cross' }), { kind: 'cross', layers: 3, rank: 64 });
    assert.deepEqual(interaction({ kind: 'cross', rank: 8 }), { kind: 'cross', layers: 3, rank: 8 });
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
    invalid(() => loadConfig(join(folder.dir, 'absent.yaml')), /cannot read.*absent\.yaml.*no such file/);
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
    invalidWith(
      { model: { kind: 'dlrm', interaction: { kind: 'sum' } } },
      /^model\.interaction.*: expected a kind: dot, none, cross/,
    );
    invalidWith({ model: { kind: 'dlrm', interaction: { kind: 'cross', rank: 0 } } }, /^model\.interaction\.rank: /);
    invalidWith(
      { model: { kind: 'dlrm', interaction: { kind: 'cross', keepVectors: true } } },
      /^model\.interaction: unknown key "keepVectors".*Known keys: kind, layers, rank/,
    );
    invalidWith({ training: { device: 'gpu' } }, /^training\.device: expected auto, cpu or cuda:N, got "gpu"/);
    invalidWith({ training: { device: 'cuda' } }, /^training\.device: expected auto, cpu or cuda:N, got "cuda"/);
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
});
