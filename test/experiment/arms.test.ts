import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cascade } from '../../src/cascade/cascade.js';
import { ModelEarly } from '../../src/cascade/early.js';
import { SampledRetrieval } from '../../src/cascade/retrieval.js';
import { SimulatedSystem } from '../../src/cascade/system.js';
import { type Arm, openArms, runArm } from '../../src/experiment/arms.js';
import { ReplayLog } from '../../src/experiment/replay-log.js';
import { RunPool } from '../../src/experiment/run-pool.js';
import { ColumnScorer, evaluate, openRun } from '../../src/index.js';
import { replayScores } from '../../src/train/replay.js';
import { smallSystem } from '../cascade/support.js';
import { smallArms, type Trained } from './fixture.js';

const SCALARS = { cross_out: -1.5, hide: -1 };

function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-5): void {
  assert.equal(actual.length, expected.length);
  for (let i = 0; i < actual.length; i += 1) {
    const [a = Number.NaN, b = Number.NaN] = [actual[i], expected[i]];
    assert.ok(Math.abs(a - b) <= tolerance * (1 + Math.abs(b)), `${i}: ${a} instead of ${b}`);
  }
}

describe('arms made of trained runs', () => {
  let trained: Trained;
  let system: SimulatedSystem;
  let pool: RunPool;
  let log: ReplayLog;
  let arms: Record<'multiTask' | 'teacher' | 'events' | 'clicks', Arm>;
  before(async () => {
    trained = await smallArms();
    system = new SimulatedSystem(trained.config);
    pool = new RunPool({ threads: 1 });
    log = await ReplayLog.open(trained.replay);
    const { multiTask, clicks, events } = trained;
    const models = Object.entries(SCALARS).map(([task, scalar]) => ({ run: events, task, scalar }));
    const [a, b, c, d] = await openArms(
      [
        await runArm('multi-task', multiTask, pool),
        { name: 'teacher served', ctr: { run: multiTask, head: 'teacher' }, quality: { run: multiTask } },
        { name: 'separate', ctr: { run: clicks }, quality: { events: models } },
        await runArm('clicks', clicks, pool),
      ],
      { pool },
    );
    assert.ok(a && b && c && d);
    arms = { multiTask: a, teacher: b, events: c, clicks: d };
  });
  after(() => log.close());

  const retrieved = () => {
    const first = trained.config.requests.train + trained.config.requests.eval;
    const retrieval = new SampledRetrieval(system);
    return [...system.requests(first, first + trained.config.requests.replay, 40)].map((batch) =>
      retrieval.retrieve(batch),
    );
  };

  it('take the tasks that a run has', () => {
    assert.deepEqual(arms.multiTask.spec, {
      name: 'multi-task',
      ctr: { run: trained.multiTask },
      quality: { run: trained.multiTask },
    });
    assert.deepEqual(arms.clicks.spec, { name: 'clicks', ctr: { run: trained.clicks }, quality: null });
  });

  it('score candidates as the run alone does', async () => {
    const scorer = new ColumnScorer(await openRun(trained.multiTask, { threads: 1 }));
    const alone = new ModelEarly((batch) => scorer.score(batch));
    for (const candidates of retrieved()) {
      assert.deepEqual(await arms.multiTask.early.score(candidates), await alone.score(candidates));
    }
  });

  it('score a log as they score its candidates', async () => {
    const [candidates] = retrieved();
    assert.ok(candidates);
    for (const arm of Object.values(arms)) {
      const logged = await arm.score(log);
      const served = await arm.early.score(candidates);
      assertClose(logged.value, served.value);
      assertClose(logged.ctr ?? [], served.ctr ?? [Number.NaN]);
      assertClose(logged.cqs ?? [], served.cqs ?? []);
    }
  });

  it('have the recall that evaluating the run gives', async () => {
    const run = await openRun(trained.multiTask, { threads: 1 });
    const { set, value } = await arms.multiTask.score(log);
    assert.ok(set);
    const { values } = await replayScores({ set, metrics: run.addon.metrics, early: value, k: 12 });
    const evaluated = (await evaluate(run)).replay;
    for (const name of ['softRecall', 'hardRecall', 'tvd'] as const) {
      assert.ok(Math.abs((values[name] ?? 0) - (evaluated?.[name] ?? Number.NaN)) < 1e-6, name);
    }
  });

  it('estimate the CQS by Σ scalar · predicted event', async () => {
    const scorer = new ColumnScorer(await openRun(trained.events, { threads: 1 }));
    const [candidates] = retrieved();
    assert.ok(candidates);
    const predicted = await scorer.score({
      rows: candidates.rows,
      column: (name) =>
        name === 'user_id' ? candidates.user : name === 'ad_id' ? candidates.ad : candidates.feature(name),
    });
    const expected = Float64Array.from(
      predicted.get('cross_out') ?? [],
      (p, row) => -1.5 * p - (predicted.get('hide')?.[row] ?? Number.NaN),
    );
    assertClose((await arms.events.early.score(candidates)).cqs ?? [], expected);
    const { value, ctr = [] } = await arms.clicks.early.score(candidates);
    const row = candidates.objective.indexOf(0);
    assert.equal(value[row], Math.fround((candidates.bid[row] ?? 0) * (ctr[row] ?? 0)), 'no quality');
  });

  it('serve the teacher head where that is asked', async () => {
    const predictions = await (await pool.open(trained.multiTask)).predict(log);
    const { ctr = [], cqs } = await arms.teacher.score(log);
    const logits = predictions.get('teacher')?.outputs ?? [];
    assertClose(
      ctr,
      Float32Array.from(logits, (logit) => 1 / (1 + Math.exp(-logit))),
    );
    assert.deepEqual(cqs, (await arms.multiTask.score(log)).cqs);
  });

  it('open and predict a run once, and encode the log once per feature map', async () => {
    const run = await pool.open(trained.multiTask);
    assert.equal(await pool.open(join(trained.multiTask, '.')), run);
    assert.equal(await run.predict(log), await run.predict(log));
    const [candidates] = retrieved();
    assert.ok(candidates);
    assert.equal(await run.score(candidates), await run.score(candidates));
    const { set } = await arms.multiTask.score(log);
    assert.equal((await arms.teacher.score(log)).set, set);
  });

  it('leave no files of a log behind', async () => {
    const own = await ReplayLog.open(trained.replay, join(trained.folder, 'encoded'));
    await own.set((await pool.open(trained.multiTask)).run);
    await own.set((await pool.open(trained.clicks)).run);
    await own.close();
    assert.equal(readdirSync(join(trained.folder, 'encoded')).length, 2, 'those of a named folder stay');
  });

  it('cost what their served heads cost', () => {
    const features = (side: 'user' | 'ad') => system.features.filter((feature) => feature.side === side).length + 16;
    const tower = (side: 'user' | 'ad') => 2 * (features(side) * 64 + 64 * 32) + 16;
    const head = 2 * (96 * 32 + 32);
    const one = arms.multiTask.cost(60);
    const { user, ad } = { user: tower('user'), ad: tower('ad') };
    assert.deepEqual(one.flops, { request: user, ad, pair: 32 + 2 * head });
    assert.equal(one.perRequest.flops, user + 60 * (ad + 32 + 2 * head));
    assert.equal(one.perRequest.flopsAdsCached, user + 60 * (32 + 2 * head));
    assert.deepEqual(one.embeddingBytes, { request: 64, ad: 64, pair: 0 });
    assert.equal(one.perRequest.embeddingBytes, 61 * 64);
    assert.deepEqual(arms.events.cost(60).flops, { request: 2 * user, ad: 2 * ad, pair: 64 + 3 * head });
    const three = arms.teacher.cost(60);
    assert.deepEqual(three.flops, one.flops, 'the teacher head instead of the CTR head');
  });

  it('refuse a task that a run does not predict', async () => {
    const spec = { name: 'wrong', ctr: { run: trained.clicks }, quality: { run: trained.clicks } };
    await assert.rejects(openArms([spec], { pool }), {
      code: 'INVALID_ARGUMENT',
      message: /arm wrong.*predicts ctr, not cqs/,
    });
  });
});

/** The final stage's total values of the replay requests. */
async function finalValues(system: SimulatedSystem): Promise<number[]> {
  const { train, eval: evaluation, replay } = system.config.requests;
  const cascade = new Cascade(system);
  const values: number[] = [];
  for (const batch of system.requests(train + evaluation, train + evaluation + replay)) {
    const candidates = await cascade.stages.retrieval.retrieve(batch);
    values.push(...(await cascade.score(candidates)).values.totalValue);
  }
  return values;
}

describe('arms without runs', () => {
  it('score the log that the system writes: the truth as its replay needs it, and chance', async () => {
    const system = smallSystem({ teacher: { noise: 0 }, early: { conversionNoise: 0 } });
    const events = system.truth.events.map(({ name }) => name);
    const [oracle, chance] = await openArms(
      [
        { name: 'oracle', oracle: { noise: 0, events } },
        { name: 'chance', random: true },
      ],
      { system },
    );
    const folder = await mkdtemp(join(tmpdir(), 'prerank-oracle-'));
    const log = await ReplayLog.open([join(folder, 'logs', 'replay', '*.parquet')], folder);
    const { value, ctr, cqs } = (await oracle?.score(log)) ?? {};
    assert.deepEqual([value?.length, ctr?.length, cqs?.length], [1200, 1200, 1200]);
    const final = await finalValues(system);
    assertClose(value ?? [], final);
    const random = await chance?.score(log);
    assert.deepEqual([random?.value.length, random?.ctr], [1200, undefined]);
    assert.deepEqual(oracle?.cost(60).perRequest.flops, 0);
    await rm(folder, { recursive: true });
  });

  it('need the system that they know the truth of', async () => {
    const spec = { name: 'oracle', oracle: { noise: 0, events: [] } };
    await assert.rejects(openArms([spec]), {
      code: 'INVALID_ARGUMENT',
      message: /arm oracle needs the simulated system/,
    });
  });
});
