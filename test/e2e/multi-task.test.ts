/** The multi-task models on a log of clicks and conversions: trained, judged and used to predict. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.js';
import type { ConfigInput } from '../../src/config/schema.js';
import { evaluate, gateMeans, openRun, predict, type TrainSummary, train } from '../../src/index.js';
import { readLines } from '../support/metrics-lines.js';
import { PWISER } from '../support/pwiser.js';
import { duckdb, runPrerank } from '../support/sample-run.js';

const ROWS = 6144;
/** Every so many rows a conversion stands where there was no click. */
const CONTRADICTION = 97;

/** Clicks depend on user and ad, conversions of clicks on the ad and on x; one row in eight was not shown. */
function rowsSql(salt: number): string {
  const uniform = (name: string): string => `(hash(i, '${name}', ${salt}) % 1000003)::DOUBLE / 1000003`;
  return `
    WITH base AS (
      SELECT i, hash(i, 'user', ${salt}) % 30 AS user_id, hash(i, 'ad', ${salt}) % 20 AS ad_id,
             ${uniform('x')} * 2 - 1 AS x, ${uniform('click')} AS u, ${uniform('conversion')} AS v,
             (i % 8 <> 7)::INTEGER AS shown
      FROM range(${ROWS}) t(i)
    ), clicked AS (
      SELECT *, (u < 1 / (1 + exp(-(1.5 * x + CASE WHEN (user_id + ad_id) % 2 = 0 THEN 1.5 ELSE -1.5 END))))::INTEGER AS c
      FROM base
    )
    SELECT user_id, ad_id, x, shown, CASE WHEN shown = 1 THEN c END AS click,
           CASE WHEN shown = 0 THEN NULL WHEN c = 0 THEN (i % ${CONTRADICTION} = 0)::INTEGER
                ELSE (v < 1 / (1 + exp(-(CASE WHEN ad_id % 3 = 0 THEN 1.5 ELSE -1.5 END - x))))::INTEGER END AS conversion
    FROM clicked ORDER BY i`;
}

type Model = { readonly kind: string; readonly [setting: string]: unknown };

const MODELS: readonly Model[] = [
  { kind: 'mlp', net: { hidden: [16, 8] } },
  { kind: 'shared-bottom', shared: { hidden: [16] }, towers: { hidden: [8] } },
  { kind: 'mmoe', experts: { hidden: [8] }, towers: { hidden: [8] } },
  { kind: 'mmoe', experts: { hidden: [8] }, towers: { hidden: [8] }, taskMode: 'ctr+ctcvr' },
  { kind: 'ple', levels: [{ hidden: [12] }, { hidden: [8] }], towers: { hidden: [8] } },
  { kind: 'esmm', net: { hidden: [16, 8] } },
  { kind: 'aitm', bottoms: { hidden: [16, 8] } },
  { kind: 'taml', experts: { hidden: [8] }, towers: { hidden: [8] } },
];

describe('multi-task models on a log', () => {
  let folder = '';
  let counts: Readonly<Record<'shown' | 'clicked' | 'contradictory', number>> = {
    shown: 0,
    clicked: 0,
    contradictory: 0,
  };
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prerank-multi-task-'));
    for (const [i, part] of ['train', 'eval'].entries()) {
      await duckdb(`COPY (${rowsSql(i)}) TO '${join(folder, `${part}.parquet`)}' (FORMAT parquet)`);
    }
    const [[shown, clicked, contradictory] = []] = await duckdb(
      `SELECT sum(shown), sum(click), count(*) FILTER (click = 0 AND conversion = 1) FROM '${join(folder, 'eval.parquet')}'`,
    );
    counts = { shown: Number(shown), clicked: Number(clicked), contradictory: Number(contradictory) };
    assert.ok(counts.contradictory > 10);
  });
  after(() => rm(folder, { recursive: true }));

  const configOf = (model: Model): ConfigInput => ({
    data: {
      train: join(folder, 'train.parquet'),
      eval: join(folder, 'eval.parquet'),
      columns: { impression: 'shown', click: 'click', conversion: 'conversion' },
      shuffle: 'full',
      features: [
        { name: 'user_id', kind: 'categorical' },
        { name: 'ad_id', kind: 'categorical' },
        { name: 'x', kind: 'dense' },
      ],
    },
    model: { ...model, embeddingDim: 4 },
    training: {
      batchSize: 128,
      epochs: 6,
      reportEverySteps: 48,
      sparseOptimizer: { lr: 0.1 },
      denseOptimizer: { lr: 0.005 },
      threads: 2,
      seed: 3,
    },
  });

  for (const model of MODELS) {
    const direct = model.kind === 'aitm' || ('taskMode' in model && model.taskMode === 'ctr+ctcvr');
    const name = `${model.kind}${'taskMode' in model ? ` ${model.taskMode}` : ''}`;

    describe(name, () => {
      let out = '';
      let summary: TrainSummary;
      before(async function () {
        this.timeout(60_000);
        out = join(folder, name);
        summary = await train(loadConfig(configOf(model)), { out });
      });

      it('learns to tell clicks, conversions of clicks, and conversions of impressions', () => {
        const { ctr = {}, cvr = {}, ctcvr = {} } = summary.metrics.eval ?? {};
        for (const metrics of [ctr, cvr, ctcvr])
          assert.ok((metrics.auc ?? 0) > 0.7, JSON.stringify(summary.metrics.eval));
        for (const metrics of [ctr, ctcvr]) assert.ok((metrics.ne ?? 1) < 0.9, JSON.stringify(summary.metrics.eval));
        assert.equal('ne' in cvr, !direct);
      });

      it('judges cvr on clicks, ctr and ctcvr on impressions that do not contradict themselves', () => {
        const rows = Object.entries(summary.metrics.eval ?? {}).map(([task, values]) => [task, values.rows]);
        assert.deepEqual(Object.fromEntries(rows), {
          ctr: counts.shown,
          cvr: counts.clicked,
          ctcvr: counts.shown - counts.contradictory,
        });
      });

      it('reports the loss of every task and of every term', async () => {
        const lines = await readLines<{ readonly loss?: Record<string, number> }>(out);
        const terms = { aitm: ['calibrator.ctcvr'], taml: ['distillation.ctr', 'distillation.cvr'] };
        const expected = ['total', 'ctr', 'ctcvr', ...(direct ? [] : ['cvr']), ...(terms[model.kind as 'aitm'] ?? [])];
        const last = lines.findLast(({ loss }) => loss !== undefined)?.loss ?? {};
        assert.deepEqual(Object.keys(last).sort(), expected.sort());
        assert.ok(Object.values(last).every(Number.isFinite), JSON.stringify(last));
      });

      it('predicts what it was judged by, and the three rates agree', async () => {
        const run = await openRun(out);
        const { tasks, notes } = await evaluate(run);
        assert.deepEqual(tasks, summary.metrics.eval);
        assert.equal(
          notes.some((note) => note.includes('pCTCVR / pCTR')),
          direct,
        );
        const output = join(out, 'scores.parquet');
        await predict(run, { input: [join(folder, 'eval.parquet')], output });
        const [[rows, error] = []] = await duckdb(
          `SELECT count(*), max(abs(ctcvr - ctr * cvr)) FROM '${output}' WHERE ctr > 0 AND ctr < 1 AND ctcvr > 0`,
        );
        assert.equal(Number(rows), ROWS);
        assert.ok(Number(error) < 1e-6, `${error}`);
      });
    });
  }

  describe('gates', () => {
    it('shows what the gates choose, by task, learner and kind of expert', async () => {
      const taml = await gateMeans(await openRun(join(folder, 'taml')));
      assert.equal(taml.rows, ROWS);
      assert.deepEqual(Object.keys(taml.gates).sort(), ['gates.ctr.0', 'gates.ctr.1', 'gates.cvr.0', 'gates.cvr.1']);
      assert.deepEqual(Object.keys(taml.gates['gates.cvr.1'] ?? {}), [
        'experts.general.0',
        'experts.tasks.cvr.0',
        'experts.learners.cvr.1.0',
      ]);
      const ple = await gateMeans(await openRun(join(folder, 'ple')));
      assert.deepEqual(Object.keys(ple.gates).sort(), [
        'levels.0.shared.gate',
        'levels.0.tasks.ctr.gate',
        'levels.0.tasks.cvr.gate',
        'levels.1.tasks.ctr.gate',
        'levels.1.tasks.cvr.gate',
      ]);
      for (const experts of [...Object.values(taml.gates), ...Object.values(ple.gates)]) {
        const weights = Object.values(experts);
        assert.ok(Math.abs(weights.reduce((a, b) => a + b, 0) - 1) < 1e-5, JSON.stringify(experts));
        assert.ok(weights.every((weight) => weight > 0 && weight < 1));
      }
      const shown = await runPrerank('inspect', join(folder, 'taml'), '--gates');
      assert.match(shown.stdout, /gates\.ctr\.0 +experts\.general\.0 +0\.\d{4}/);
      const other = ['--data', join(folder, 'train.parquet'), '--json'];
      const json = JSON.parse(
        (await runPrerank('inspect', join(folder, 'taml'), '--gates', ...other)).stdout,
      ) as typeof taml;
      assert.notDeepEqual(json.gates, taml.gates);
      assert.deepEqual(Object.keys(json.gates), Object.keys(taml.gates));
      await assert.rejects(gateMeans(await openRun(join(folder, 'esmm'))), {
        code: 'UNSUPPORTED',
        message: /no gates/,
      });
    }).timeout(30_000);
  });

  it('learns with PWiseR, and reports it', async () => {
    const config = configOf({ kind: 'esmm', net: { hidden: [16, 8] } });
    const out = join(folder, 'pwiser');
    const { metrics } = await train(loadConfig({ ...config, training: { ...config.training, pwiser: PWISER } }), {
      out,
    });
    assert.ok((metrics.eval?.ctcvr?.auc ?? 0) > 0.7, JSON.stringify(metrics));
    const losses = (await readLines<{ readonly loss?: Record<string, number> }>(out)).map(
      ({ loss }) => loss?.['pwiser.ctr'],
    );
    const [first = 0, last = first] = [losses[0], losses.at(-1)];
    assert.ok(last > 0 && last < 0.9 * first, `${first} to ${last}`);
  }).timeout(60_000);

  it('gives the same bytes again', async () => {
    const [first, second] = await Promise.all(
      ['a', 'b'].map((run) => train(loadConfig(configOf({ kind: 'taml' })), { out: join(folder, run) })),
    );
    assert.deepEqual(first?.metrics, second?.metrics);
  }).timeout(60_000);
});
