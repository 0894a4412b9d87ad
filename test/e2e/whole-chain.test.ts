/** Models of the whole chain from candidates to clicks: labels, sampling, scores and recalls, from a log to predictions. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { trainedModel } from '../../src/bench/scored-model.js';
import { benchServe } from '../../src/bench/serve.js';
import { loadConfig } from '../../src/config/load.js';
import type { ConfigInput } from '../../src/config/schema.js';
import { evaluate, openRun, predict, type TrainSummary, train } from '../../src/index.js';
import { predictionProgram } from '../../src/models/registry.js';
import type { Plan } from '../../src/runtime/plan.js';
import { operationCost } from '../../src/runtime/plan-cost.js';
import { CANDIDATES, chainConfig, EXPOSED, writeChainLog } from '../support/chain-log.js';
import { duckdb } from '../support/sample-run.js';

const LOG = { requests: 400, useful: 4, useless: 1 };
const CHAIN = { etr: {}, ctr: {}, etctr: {} };
const trunk = { hidden: [16, 8] };

type Model = { readonly kind: string; readonly [setting: string]: unknown };

const MODELS: readonly (readonly [string, Model, ConfigInput['tasks'], readonly string[]])[] = [
  ['ecm', { kind: 'ecm', trunk }, undefined, ['softmax']],
  ['cold with a softmax', { kind: 'cold', head: 'softmax', trunk }, undefined, ['softmax']],
  ['esmm with a loss of clicks', { kind: 'esmm', net: trunk }, { ...CHAIN, ctr: { weight: 1 } }, []],
  [
    'shared-bottom with a third tower',
    { kind: 'shared-bottom', taskMode: 'ctr+ctcvr' },
    { etr: {}, etctr: {}, itr: {} },
    [],
  ],
  [
    'ecmm with four towers and a matrix for each connection',
    {
      kind: 'ecmm',
      subnets: { counts: [3, 2], width: 8 },
      stacks: { hidden: [8] },
      routing: { transform: true, l0: 0.0001 },
    },
    { etctr: {}, etr: {}, itr: {}, dropped: {} },
    ['l0'],
  ],
];

/** Of a row, lookups not counted. */
function operationsOf(plan: Plan): number {
  const ops = plan.segments.flatMap((segment) => segment.ops).filter(({ kind }) => kind !== 'embedding');
  return ops.reduce((sum, op) => sum + operationCost(plan, op, 1).flops, 0);
}

describe('models of the whole chain on a log', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prerank-chain-'));
    await writeChainLog(folder, LOG);
  });
  after(() => rm(folder, { recursive: true }));

  const configOf = (model: Model, tasks: ConfigInput['tasks'], data: object = {}): ConfigInput => {
    const shared = chainConfig(folder, LOG);
    return { ...shared, data: { ...shared.data, ...data }, model: { embeddingDim: 4, ...model }, tasks } as ConfigInput;
  };

  for (const [name, model, tasks, terms] of MODELS) {
    describe(name, () => {
      let out = '';
      let summary: TrainSummary;
      before(async function () {
        this.timeout(60_000);
        out = join(folder, name);
        summary = await train(loadConfig(configOf(model, tasks)), { out });
      });

      it('learns exposure of all candidates and clicks, judged on the rows that have the label', () => {
        const { etr = {}, etctr = {}, itr, ctr, dropped } = summary.metrics.eval ?? {};
        const candidates = LOG.requests * CANDIDATES;
        assert.deepEqual([etr.rows, etctr.rows], [candidates, candidates]);
        if (ctr !== undefined) assert.equal(ctr.rows, LOG.requests * EXPOSED);
        for (const values of [etr, etctr, itr, dropped].filter((found) => found !== undefined)) {
          assert.ok((values.auc ?? 0) > 0.75, JSON.stringify(summary.metrics.eval));
          assert.ok((values.ne ?? 1) < 0.9, JSON.stringify(summary.metrics.eval));
        }
        assert.deepEqual(
          Object.keys(summary.metrics.train.loss).filter((task) => task === 'softmax' || task === 'l0'),
          terms,
        );
      });

      it('ranks by t1, t2 and etr: recalls of exposed and clicked candidates', () => {
        for (const score of ['t1', 't2', 'etr']) {
          const values = summary.metrics.eval?.[`score.${score}`] ?? {};
          assert.ok(
            (values.exposureRecall10 ?? 0) > (score === 't2' ? 0.65 : 0.85),
            `${score}: ${JSON.stringify(values)}`,
          );
          assert.ok((values.exposureRecall1 ?? 1) <= 1 / EXPOSED + 1e-9);
          assert.equal(values.clickRecall50, 1);
        }
        const clicks = (score: string): number => summary.metrics.eval?.[`score.${score}`]?.auc ?? 0;
        assert.ok(clicks('t1') > clicks('t2'), JSON.stringify(summary.metrics.eval));
      });

      it('predicts the scores that it was judged by', async () => {
        const run = await openRun(out);
        const output = join(out, 'scores.parquet');
        const { columns } = await predict(run, { input: [join(folder, 'eval.parquet')], output });
        assert.ok(
          ['etr', 'etctr', 't1', 't2'].every((column) => columns.includes(column)),
          columns.join(', '),
        );
        const [[wrong, apart] = []] = await duckdb(
          `SELECT count(*) FILTER (abs(t1 - etctr) > 1e-12 OR abs(t2 - (etr - etctr)) > 1e-12),
                  ${columns.includes('ctr') ? 'max(abs(etctr - etr * ctr))' : '0'} FROM '${output}'`,
        );
        assert.equal(Number(wrong), 0);
        assert.ok(Number(apart) < 1e-5, `${apart}`);
        assert.deepEqual((await evaluate(run, { k: 3 })).scores?.t1?.clickRecall3 === undefined, false);
      });
    });
  }

  it('closes the more connections of ecmm the more each costs, and scores in fewer operations', async () => {
    const sweep = [0, 0.01, 0.03, 0.3];
    const runs: { readonly open: number; readonly operations: number; readonly auc: number }[] = [];
    for (const l0 of sweep) {
      const model = { kind: 'ecmm', subnets: { counts: [6, 4], width: 12 }, stacks: { hidden: [8] }, routing: { l0 } };
      const config = configOf(model, undefined);
      const { denseOptimizer: _slow, ...training } = config.training ?? {};
      const out = join(folder, `l0 ${l0}`);
      const summary = await train(loadConfig({ ...config, training: { ...training, denseOptimizer: { lr: 0.02 } } }), {
        out,
      });
      const { config: resolved, features, model: assembled } = await openRun(out);
      const whole = predictionProgram(
        resolved.model,
        features,
        assembled.tasks.map((task) => task.model),
      );
      const { open, all } = summary.connections ?? { open: Number.NaN, all: 0 };
      assert.equal(all, 6 * 4 + 4 * 3);
      const [pruned, unpruned] = [operationsOf(assembled.prediction.plan), operationsOf(whole.plan)];
      assert.equal(pruned < unpruned, open < all, `${open} open, ${pruned} of ${unpruned} operations`);
      runs.push({ open, operations: pruned, auc: summary.metrics.eval?.etr?.auc ?? 0 });
    }
    const run = await openRun(join(folder, 'l0 0.3'));
    const options = { ads: 20, threads: [1], requestsPerCall: [2], requests: 4, seed: 1 };
    const { results } = await benchServe(run.addon, trainedModel(run), options);
    assert.ok((results[0]?.qps ?? 0) > 0);
    const shown = JSON.stringify(runs);
    for (const [i, { open, operations }] of runs.entries()) {
      const next = runs[i + 1];
      if (next === undefined) continue;
      assert.ok(next.open <= open && next.operations <= operations, shown);
    }
    assert.ok((runs[0]?.open ?? 0) > 30 && (runs[3]?.open ?? 99) < 10, shown);
    assert.ok((runs[1]?.auc ?? 0) > (runs[0]?.auc ?? 1) - 0.02, shown);
  }).timeout(120_000);

  /** Predicted over observed exposures, of a model that is trained on a sample. */
  const calibrationOf = async (model: Model, sampling: { stages: object; weight: string }): Promise<number> => {
    const tasks = model.kind === 'cold' ? { etr: {} } : undefined;
    const config = configOf({ trunk, ...model }, tasks, { sampling });
    const out = join(folder, `sampled ${JSON.stringify([model, sampling])}`);
    const { rows, metrics } = await train(loadConfig(config), { out });
    const share = rows.train / (LOG.requests * CANDIDATES);
    assert.ok(share > 0.35 && share < 0.55, `${share}`);
    return metrics.eval?.etr?.calibration ?? Number.NaN;
  };

  it('learns from a sample of the stages; weights by the inverse of the rates undo its share of exposures', async () => {
    const stages = { retrieved: 0.25, early: 0.5, impression: 0.8 };
    const calibration = (weight: string): Promise<number> => calibrationOf({ kind: 'ecm' }, { stages, weight });
    const [plain, weighted] = [await calibration('none'), await calibration('inverse')];
    assert.ok(plain > 1.15 * weighted, `${plain} without weights, ${weighted} with them`);
  }).timeout(60_000);

  for (const kind of ['ecm', 'cold']) {
    it(`${kind}: logits undo the share of exposures as weights do, where classes have one rate`, async () => {
      const stages = { retrieved: 0.3, early: 0.3, impression: 0.8 };
      const calibration = (weight: string): Promise<number> => calibrationOf({ kind }, { stages, weight });
      const [plain, weighted, shifted] = [
        await calibration('none'),
        await calibration('inverse'),
        await calibration('logit'),
      ];
      const shown = `${plain} as sampled, ${weighted} with weights, ${shifted} with logits`;
      assert.ok(plain > 1.15 * weighted, shown);
      assert.ok(Math.abs(shifted / weighted - 1) < 0.1, shown);
    }).timeout(60_000);
  }
});
