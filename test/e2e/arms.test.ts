/** The arms of a study that differ in tasks alone: control labels, dedicated models, separate event models, losses. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig, type TrainSummary, train } from '../../src/index.js';
import { duckdb, sampleConfig, writeLogs } from '../support/sample-run.js';

describe('arms by their tasks', () => {
  let folder: string;
  let arms = 0;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prerank-arms-'));
    await writeLogs(folder);
    for (const part of ['train', 'eval']) {
      const [from, to] = [join(folder, `${part}.parquet`), join(folder, `${part}-events.parquet`)];
      await duckdb(`COPY (
        SELECT *, CASE WHEN shown = 1 THEN (ad_id % 5 = 0 AND hash(ts) % 4 > 0)::INTEGER END AS cross_out FROM '${from}'
      ) TO '${to}' (FORMAT parquet)`);
    }
  });
  after(() => rm(folder, { recursive: true }));

  async function arm(tasks: string, ...set: string[]): Promise<{ out: string; summary: TrainSummary }> {
    const out = join(folder, `arm-${arms++}`);
    const config = sampleConfig(folder);
    const data = {
      ...config.data,
      train: join(folder, 'train-events.parquet'),
      eval: join(folder, 'eval-events.parquet'),
    };
    const summary = await train(loadConfig({ ...config, data }, { set: [`tasks=${tasks}`, ...set] }), { out });
    return { out, summary };
  }

  const loss = ({ summary }: { summary: TrainSummary }, task: string): number =>
    summary.metrics.train.loss[task] ?? NaN;
  const metric = ({ summary }: { summary: TrainSummary }, task: string, name: string): number =>
    summary.metrics.eval?.[task]?.[name] ?? Number.NaN;

  it('hard negatives teach that what was not shown is not clicked, pseudo-labels do not', async () => {
    const [negative, soft, none] = await Promise.all(
      ['negative', 'pseudo-label', 'none'].map((augmented) => arm(`{ ctr: { augmented: ${augmented} } }`)),
    );
    assert.ok(negative !== undefined && soft !== undefined && none !== undefined);
    const unseen = 'calibrationNonImpressions';
    assert.ok(metric(negative, 'ctr', unseen) < 0.2, JSON.stringify(negative.summary.metrics));
    assert.ok(Math.abs(metric(soft, 'ctr', unseen) - 1) < 0.2, JSON.stringify(soft.summary.metrics));
    assert.notEqual(loss(none, 'ctr'), loss(soft, 'ctr'));
    assert.match(await readFile(join(negative.out, 'config.resolved.yaml'), 'utf8'), /augmented: negative/);
  });

  it('trains models of single tasks, and of quality events on impressions', async () => {
    const dedicated = await arm('{ cqs: {} }');
    assert.deepEqual(Object.keys(dedicated.summary.metrics.train.loss), ['total', 'cqs']);
    assert.ok(metric(dedicated, 'cqs', 'nmse') < 0.5);
    const events = await arm('{ cross_out: { label: cross_out } }');
    assert.ok(metric(events, 'cross_out', 'auc') > 0.8, JSON.stringify(events.summary.metrics));
    const [[shown] = []] = await duckdb(`SELECT sum(shown)::INTEGER FROM '${join(folder, 'eval.parquet')}'`);
    assert.equal(metric(events, 'cross_out', 'rows'), shown);
  });

  it('trains the teacher on the CTR head: its literal equation', async () => {
    const literal = await arm('{ ctr: {}, teacher: { target: ctr } }');
    assert.deepEqual(Object.keys(literal.summary.metrics.eval ?? {}), ['ctr', 'replay']);
    assert.ok(Number.isFinite(loss(literal, 'teacher')));
  });

  for (const kind of ['huber', 'pseudo-huber', 'log-cosh']) {
    it(`trains CQS with ${kind}`, async () => {
      const robust = await arm(`{ cqs: { loss: ${kind}, delta: 0.2, weight: 3, scale: 0.5 } }`);
      assert.ok(metric(robust, 'cqs', 'nmse') < 0.5, JSON.stringify(robust.summary.metrics));
    });
  }
});
