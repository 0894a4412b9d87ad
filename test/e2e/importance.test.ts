/** Permutation importance on a log with planted useless features, and training with the best ones. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConfigInput } from '../../src/config/schema.js';
import { importance, loadConfig, openRun, train } from '../../src/index.js';
import { duckdb, runPrerank, sampleConfig, writeConfig, writeLogs } from '../support/sample-run.js';

const USELESS = ['a_same', 'noise_list', 'noise_id', 'noise_x', 'z_same'];

describe('feature importance', () => {
  let folder: string;
  let run: string;

  function config(features: ConfigInput['data']['features'], tasks: ConfigInput['tasks']): ConfigInput {
    const sample = sampleConfig(folder);
    const data = {
      ...sample.data,
      train: join(folder, 'train-wide.parquet'),
      eval: join(folder, 'eval-wide.parquet'),
      features,
    };
    return { ...sample, data, tasks };
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prerank-importance-'));
    await writeLogs(folder);
    // Not hash(), whose values for a row depend on each other.
    const draw = (name: string): string => `(md5_number_lower(concat(ts, '${name}')) % 1000000007)::BIGINT`;
    for (const part of ['train', 'eval']) {
      await duckdb(`COPY (
        SELECT *, ${draw('a')} % 9 AS noise_id, (${draw('b')} % 1000) / 500 - 1 AS noise_x,
               CASE WHEN ts % 3 = 0 THEN [] ELSE [${draw('c')} % 5, ${draw('d')} % 5] END AS noise_list,
               'same' AS a_same, 'same' AS z_same
        FROM '${join(folder, `${part}.parquet`)}' ORDER BY ts
      ) TO '${join(folder, `${part}-wide.parquet`)}' (FORMAT parquet, ROW_GROUP_SIZE 2048)`);
    }
    const features = {
      user: [
        { name: 'user_id', kind: 'categorical' as const },
        { name: 'x', kind: 'dense' as const },
        { name: 'noise_x', kind: 'dense' as const },
        { name: 'a_same', kind: 'categorical' as const },
      ],
      ad: [
        { name: 'ad_id', kind: 'categorical' as const },
        { name: 'noise_id', kind: 'categorical' as const },
        { name: 'noise_list', kind: 'multi' as const },
        { name: 'z_same', kind: 'categorical' as const },
      ],
    };
    run = join(folder, 'run');
    await train(loadConfig(config(features, { cqs: {}, ctr: {}, teacher: {} })), { out: run });
  });
  after(() => rm(folder, { recursive: true }));

  it('ranks what the label depends on above what was planted', async () => {
    const result = await importance(await openRun(run));
    assert.equal(result.rows, 1024);
    assert.equal(result.baseline.cqs?.metric, 'mse');
    assert.equal(result.baseline.ctr?.metric, 'ne');
    assert.deepEqual(result.ranking.cqs?.slice(0, 2), ['ad_id', 'x']);
    assert.equal(result.ranking.teacher?.[0], 'x');
    assert.equal(result.ranking.ctr?.[0], 'x');
    const of = (feature: string, task: string) =>
      result.features.find((found) => found.feature === feature)?.tasks[task];
    for (const [task, { value }] of Object.entries(result.baseline)) {
      const best = of(result.ranking[task]?.[0] ?? '', task)?.importance ?? Number.NaN;
      assert.ok(best > 0.05 * value, `${task}: ${best}`);
      for (const name of USELESS) {
        const { importance: mean = Number.NaN, shuffles = [] } = of(name, task) ?? {};
        assert.ok(Math.abs(mean) < 0.3 * best, `${task} ${name}: ${mean}`);
        assert.equal(shuffles.length, 3);
        assert.ok(Math.abs(mean - shuffles.reduce((sum, rise) => sum + rise / 3, 0)) < 1e-12);
      }
    }
  });

  it('gives what is the same in every row exactly nothing, ties by name', async () => {
    const { features, ranking } = await importance(await openRun(run), { shuffles: 1 });
    for (const { feature, tasks } of features) {
      if (!feature.endsWith('_same')) continue;
      for (const found of Object.values(tasks)) assert.equal(found.importance, 0);
    }
    for (const order of Object.values(ranking)) assert.equal(order.indexOf('z_same'), order.indexOf('a_same') + 1);
  });

  it('is the same again, and another with another seed', async () => {
    const opened = await openRun(run);
    const first = await importance(opened, { shuffles: 2 });
    assert.deepEqual(await importance(opened, { shuffles: 2 }), first);
    assert.notDeepEqual((await importance(opened, { shuffles: 2, seed: 99 })).features, first.features);
  });

  it('writes a configuration with the best features, which trains to a better model', async () => {
    const base = config(
      { user: [{ name: 'user_id', kind: 'categorical' }], ad: [{ name: 'noise_id', kind: 'categorical', dim: 4 }] },
      { ctr: {}, cqs: {} },
    );
    const file = await writeConfig(folder, base);
    const selected = join(folder, 'selected.yaml');
    const options = ['--task', 'cqs', '--top', '2', '--base', file, '--write-config', selected, '--shuffles', '1'];
    const { status, stdout, stderr } = await runPrerank('importance', run, ...options, '--json');
    assert.equal(status, 0, stderr);
    const printed = JSON.parse(stdout) as { task: string; selected: string[]; baseline: object };
    assert.equal(printed.task, 'cqs');
    assert.deepEqual(printed.selected, ['ad_id', 'x']);
    const written = loadConfig(selected);
    assert.deepEqual(
      written.data.features.user.map(({ name }) => name),
      ['user_id', 'x'],
    );
    assert.deepEqual(
      written.data.features.ad.map(({ name }) => name),
      ['noise_id', 'ad_id'],
    );
    assert.deepEqual(written.data.features.ad[0], loadConfig(file).data.features.ad[0]);
    const [before, after] = await Promise.all([
      train(loadConfig(file), { out: join(folder, 'before') }),
      train(written, { out: join(folder, 'after') }),
    ]);
    const nmse = (summary: typeof before): number => summary.metrics.eval?.cqs?.nmse ?? Number.NaN;
    assert.ok(nmse(after) < 0.5 * nmse(before), `${nmse(before)} to ${nmse(after)}`);
  });

  it('prints a table, by the task asked for', async () => {
    const { status, stdout } = await runPrerank('importance', run, '--shuffles', '1', '--task', 'ctr');
    assert.equal(status, 0);
    assert.match(stdout, /permuted feature +side +cqs mse +ctr ne +teacher ne\n/);
    assert.match(stdout, /all features as they are/);
  });

  it('says what is wrong', async () => {
    const wrong = await runPrerank('importance', run, '--task', 'cqq');
    assert.equal(wrong.status, 2);
    assert.match(wrong.stderr, /no task cqq; its tasks are cqs, ctr, teacher/);
    const alone = await runPrerank('importance', run, '--top', '3');
    assert.equal(alone.status, 2);
    assert.match(alone.stderr, /belong together/);
  });
});
