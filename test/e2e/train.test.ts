import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  evaluate,
  loadConfig,
  openRun,
  predict,
  type TrainerCallback,
  type TrainSummary,
  train,
} from '../../src/index.js';
import { readLines, timeless } from '../support/metrics-lines.js';
import { duckdb, sampleConfig, writeLogs } from '../support/sample-run.js';

interface Line {
  readonly step: number;
  readonly loss?: Readonly<Record<string, number>>;
  readonly eval?: object;
}

describe('a training run', () => {
  let folder: string;
  let run: string;
  let summary: TrainSummary;
  const model = (path: string): Promise<Buffer> => readFile(join(path, 'model', 'model.safetensors'));

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prerank-train-'));
    await writeLogs(folder);
    run = join(folder, 'run');
    summary = await train(loadConfig(sampleConfig(folder)), { out: run });
  });
  after(() => rm(folder, { recursive: true }));

  it('leaves every file', () => {
    for (const file of [
      'config.resolved.yaml',
      'metrics.jsonl',
      'summary.json',
      'model/model.safetensors',
      'model/model.json',
      'model/features.json',
      'checkpoints/last',
      'checkpoints/step-128/state.json',
      'checkpoints/step-64/model.safetensors',
    ]) {
      assert.ok(existsSync(join(run, file)), file);
    }
    assert.ok(!existsSync(join(run, 'checkpoints', 'step-32')));
  });

  it('learns: losses fall, click AUC and recall are above chance', async () => {
    const losses = (await readLines<Line>(run)).flatMap(({ loss }) => (loss === undefined ? [] : [loss]));
    assert.equal(losses.length, 8);
    // The cross entropies start near log 2 and end near the entropy of their labels, which is not far below.
    for (const [task, fall] of Object.entries({ ctr: 0.95, teacher: 0.95, cqs: 0.1 })) {
      const [first, last] = [losses[0]?.[task] ?? 0, losses.at(-1)?.[task] ?? 1];
      assert.ok(last < fall * first, `${task}: ${first} to ${last}`);
    }
    const metrics = summary.metrics.eval ?? {};
    assert.ok((metrics.ctr?.auc ?? 0) > 0.65, JSON.stringify(metrics));
    assert.ok((metrics.cqs?.nmse ?? 1) < 0.5, JSON.stringify(metrics));
    assert.ok((metrics.ctr?.ne ?? 1) < 0.95, JSON.stringify(metrics));
    assert.ok((metrics.replay?.softRecall ?? 0) > 0.8, JSON.stringify(metrics));
  });

  it('sums up the run', () => {
    assert.equal(summary.status, 'completed');
    assert.equal(summary.step, 128);
    assert.equal(summary.samples, 4 * 4096);
    assert.deepEqual(summary.rows, { train: 4096, eval: 1024 });
    assert.ok(summary.samplesPerSecond > 0 && summary.waitShare >= 0 && summary.waitShare <= 1);
    assert.ok(summary.parameters > 0 && summary.peakMemoryBytes > 2 ** 20);
  });

  it('refuses to start over in the folder of a run', async () => {
    await assert.rejects(train(loadConfig(sampleConfig(folder)), { out: run }), { code: 'RUN_EXISTS' });
  });

  it('gives the same bytes again', async () => {
    const again = join(folder, 'again');
    await train(loadConfig(sampleConfig(folder)), { out: again });
    assert.deepEqual(await model(again), await model(run));
    assert.deepEqual(timeless(await readLines<Line>(again)), timeless(await readLines<Line>(run)));
  });

  it('gives the same bytes when it is interrupted and resumed', async () => {
    const out = join(folder, 'resumed');
    const abort = new AbortController();
    const interrupt: TrainerCallback = { onReport: ({ step }) => (step >= 48 ? abort.abort() : undefined) };
    const first = await train(loadConfig(sampleConfig(folder)), { out, callbacks: [interrupt], signal: abort.signal });
    assert.equal(first.status, 'interrupted');
    assert.ok(!existsSync(join(out, 'summary.json')));
    const second = await train(loadConfig(sampleConfig(folder)), { out, resume: true });
    assert.equal(second.status, 'completed');
    assert.deepEqual(await model(out), await model(run));
    assert.deepEqual(timeless(await readLines<Line>(out)), timeless(await readLines<Line>(run)));
  });

  for (const [what, key, value] of [
    ['tables of bfloat16', 'tableType', 'bfloat16'],
    ['tables of float16', 'tableType', 'float16'],
    ['products in bfloat16', 'matmul', 'bfloat16'],
  ] as const) {
    it(`trains ${what} as well, and resumes them to the same bytes`, async () => {
      const config = loadConfig(sampleConfig(folder), { set: [`training.${key}=${value}`] });
      const whole = join(folder, `${key}-${value}`);
      const { metrics } = await train(config, { out: whole });
      const [got, wide] = [metrics.eval?.ctr?.ne ?? 1, summary.metrics.eval?.ctr?.ne ?? 0];
      assert.ok(Math.abs(got - wide) < 0.02, `${got} and ${wide}`);
      assert.notDeepEqual(await model(whole), await model(run));
      const evaluated = await evaluate(await openRun(whole));
      assert.deepEqual({ ...evaluated.tasks, replay: evaluated.replay }, metrics.eval);
      const out = join(folder, `${key}-${value}-resumed`);
      const abort = new AbortController();
      const interrupt: TrainerCallback = { onReport: ({ step }) => (step >= 48 ? abort.abort() : undefined) };
      await train(config, { out, callbacks: [interrupt], signal: abort.signal });
      await assert.rejects(train(loadConfig(sampleConfig(folder)), { out, resume: true }), {
        code: 'CHECKPOINT_MISMATCH',
        message: new RegExp(key),
      });
      await train(config, { out, resume: true });
      assert.deepEqual(await model(out), await model(whole));
    });
  }

  it('leaves a finished run as it is when it is resumed', async () => {
    const files = ['summary.json', 'metrics.jsonl', 'model/model.safetensors'].map((name) => join(run, name));
    const before = await Promise.all(files.map((file) => readFile(file)));
    assert.deepEqual(await train(loadConfig(sampleConfig(folder)), { out: run, resume: true }), summary);
    assert.deepEqual(await Promise.all(files.map((file) => readFile(file))), before);
  });

  it('starts at step 0 when there is no checkpoint to resume', async () => {
    const out = join(folder, 'fresh');
    await train(loadConfig(sampleConfig(folder)), { out, resume: true });
    assert.deepEqual(await model(out), await model(run));
  });

  it('refuses to resume with another model, and says what differs', async () => {
    const config = loadConfig(sampleConfig(folder), { set: ['model.tower.out=4'] });
    await assert.rejects(train(config, { out: run, resume: true }), {
      code: 'CHECKPOINT_MISMATCH',
      message: /model\.tower\.out: 8 → 4/,
    });
  });

  it('evaluates to what the summary says, from the model and from its last checkpoint', async () => {
    const result = await evaluate(await openRun(run));
    assert.deepEqual({ ...result.tasks, replay: result.replay }, summary.metrics.eval);
    const checkpoint = await evaluate(await openRun(run, { checkpoint: 'last' }));
    assert.equal(checkpoint.step, 128);
    assert.deepEqual(checkpoint.tasks, result.tasks);
  });

  it('predicts in the order of the rows, with ids, in the units of the labels', async () => {
    const output = join(folder, 'scores.parquet');
    const input = [join(folder, 'eval.parquet')];
    const result = await predict(await openRun(run), { input, output });
    assert.deepEqual(result, {
      output,
      rows: 1024,
      columns: ['request_id', 'ad_id', 'user_id', 'ctr', 'cqs', 'teacher', 'totalValue'],
    });
    const [row] = await duckdb(`
      SELECT count(*)::INTEGER, bool_and(l.request_id = s.request_id AND l.ad_id = s.ad_id AND l.user_id = s.user_id),
             corr(l.cqs, s.cqs) > 0.8, abs(avg(l.cqs) - avg(s.cqs)) < 0.1, min(s.ctr) > 0 AND max(s.ctr) < 1,
             bool_and(abs(s.totalValue - (l.bid * s.ctr + s.cqs)) < 1e-9)
      FROM '${input[0]}' l POSITIONAL JOIN '${output}' s`);
    assert.deepEqual(row, [1024, true, true, true, true, true]);
    const mse = await duckdb(`SELECT avg((l.cqs - s.cqs) ** 2) FROM '${input[0]}' l POSITIONAL JOIN '${output}' s`);
    const expected = (await evaluate(await openRun(run))).tasks.cqs?.mse ?? Number.NaN;
    assert.ok(Math.abs(Number(mse[0]?.[0]) - expected) < 1e-6);
  });

  it('stops early, keeps the best parameters and exports them', async () => {
    const out = join(folder, 'early');
    const config = loadConfig(sampleConfig(folder), {
      set: ['training.earlyStopping={ metric: ctr.auc, patience: 1, minDelta: 0.2 }', 'training.epochs=50'],
    });
    const stopped = await train(config, { out });
    assert.equal(stopped.status, 'stopped');
    assert.equal(stopped.reason, 'early stopping');
    assert.ok(stopped.step < 50 * 32);
    const best = Number((await readFile(join(out, 'checkpoints', 'best'), 'utf8')).replace('step-', ''));
    assert.equal(stopped.modelStep, best);
    assert.deepEqual(
      await readFile(join(out, 'model', 'model.safetensors')),
      await readFile(join(out, 'checkpoints', `step-${best}`, 'model.safetensors')),
    );
    const again = await train(config, { out, resume: true });
    assert.equal(again.step, stopped.step);
  });

  it('names the metrics there are when the early-stopping metric is unknown', async () => {
    const config = loadConfig(sampleConfig(folder), {
      set: ['training.earlyStopping={ metric: ctr.aucc }', 'training.reportEverySteps=1'],
    });
    const begun: TrainerCallback = { onReport: () => assert.fail('training began') };
    await assert.rejects(train(config, { out: join(folder, 'unknown'), callbacks: [begun] }), {
      code: 'CONFIG_INVALID',
      message: /no metric ctr\.aucc; the evaluation gives .*eval\.ctr\.auc/,
    });
  });

  it('stops at a loss that is not finite with step, task, rows and the last good checkpoint', async () => {
    const out = join(folder, 'diverged');
    const settings = ['training.denseOptimizer={ kind: sgd, lr: 1.0e+30 }', 'training.checkpointEverySteps=1'];
    await assert.rejects(train(loadConfig(sampleConfig(folder), { set: settings }), { out }), {
      code: 'NON_FINITE',
      message:
        /loss of .*(ctr|cqs|teacher).* is not finite at step \d+ \(first rows of the training data: \d+.*step-\d+/,
    });
    assert.ok(existsSync(join(out, 'checkpoints', 'last')));
    assert.ok(!existsSync(join(out, 'summary.json')));
  });

  it('hears callbacks and stops when one says so', async () => {
    const heard: string[] = [];
    const callback: TrainerCallback = {
      onStart: ({ totalSteps }) => void heard.push(`start ${totalSteps}`),
      onReport: ({ step }, control) => {
        heard.push(`report ${step}`);
        if (step === 32) {
          control.stop('enough');
        }
      },
      onCheckpoint: (_, step) => void heard.push(`checkpoint ${step}`),
      onEnd: ({ reason }) => void heard.push(`end ${reason}`),
    };
    const out = join(folder, 'called');
    const stopped = await train(loadConfig(sampleConfig(folder)), { out, callbacks: [callback] });
    assert.deepEqual(heard, ['start 128', 'report 16', 'report 32', 'checkpoint 32', 'end enough']);
    assert.equal(stopped.status, 'stopped');
  });
});
