import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cascade, createStages } from '../../src/cascade/cascade.js';
import { ModelEarly } from '../../src/cascade/early.js';
import type { ScoringBatch } from '../../src/cascade/scoring.js';
import { simulate } from '../../src/cascade/simulate.js';
import { SimulatedSystem } from '../../src/cascade/system.js';
import { ColumnScorer, loadConfig, openRun, type TrainSummary, train } from '../../src/index.js';
import { hardRecall, softRecall } from '../../src/metrics/index.js';
import { smallConfig } from './support.js';

describe('a run trained on simulated logs', () => {
  const config = smallConfig({ requests: { train: 1500, replay: 40 }, features: { traits: 'noisy', noise: 0.2 } });
  const k = config.cascade.passed;
  let folder: string;
  let run: string;
  let summary: TrainSummary;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prerank-cascade-run-'));
    run = join(folder, 'run');
    const logs = join(folder, 'logs');
    await simulate(config, { out: logs, threads: 1 });
    const training = loadConfig(join(logs, 'config.yaml'), {
      overrides: { training: { epochs: 8, threads: 1, batchSize: 256 } },
    });
    summary = await train(training, { out: run });
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('learns what the cascade does', () => {
    const { cqs, replay } = summary.metrics.eval ?? {};
    assert.ok((replay?.softRecall ?? 0) > 0.8, `soft recall ${replay?.softRecall}`);
    assert.ok((cqs?.nmse ?? 1) < 0.6, `NMSE of CQS ${cqs?.nmse}`);
    assert.equal(replay?.k, k);
  });

  it('is an early stage whose recall in the cascade is that of its evaluation on the replay log', async () => {
    const scorer = new ColumnScorer(await openRun(run, { threads: 1 }));
    const early = new ModelEarly((batch: ScoringBatch) => scorer.score(batch));
    const system = new SimulatedSystem(config);
    const cascade = new Cascade(system, createStages(system, { early }));
    const first = config.requests.train + config.requests.eval;
    const values: number[] = [];
    const final: number[] = [];
    const requests: number[] = [];
    for (const batch of system.requests(first, first + config.requests.replay, 7)) {
      const served = await cascade.serve(batch);
      values.push(...served.early.value);
      final.push(...(await cascade.score(served.retrieved)).values.totalValue);
      requests.push(...served.retrieved.request);
    }
    const { replay } = summary.metrics.eval ?? {};
    const soft = softRecall(values, final, requests, k).value ?? 0;
    const hard = hardRecall(values, final, requests, k).value ?? 0;
    assert.ok(Math.abs(soft - (replay?.softRecall ?? 0)) < 1e-4, `${soft}, evaluated ${replay?.softRecall}`);
    assert.ok(Math.abs(hard - (replay?.hardRecall ?? 0)) < 2e-3, `${hard}, evaluated ${replay?.hardRecall}`);
  });

  it('scores rows one by one as together, ads that it never saw too', async () => {
    const scorer = new ColumnScorer(await openRun(run, { threads: 1 }));
    const system = new SimulatedSystem(config);
    const columns = new Map(
      ['user_id', 'ad_id', ...system.features.map(({ name }) => name)].map((name, i) => [
        name,
        name.endsWith('_id') ? Uint32Array.of(3, 4, 999_999) : Float32Array.of(0.1 * i, -0.2, Number.NaN),
      ]),
    );
    const column = (name: string): Uint32Array | Float32Array => columns.get(name) ?? new Float32Array(3);
    const together = await scorer.score({ rows: 3, column });
    assert.deepEqual([...together.keys()].sort(), ['cqs', 'ctr', 'teacher']);
    for (let row = 0; row < 3; row += 1) {
      const alone = await scorer.score({ rows: 1, column: (name) => column(name).subarray(row, row + 1) });
      for (const [task, values] of alone) {
        const expected = together.get(task)?.[row] ?? Number.NaN;
        assert.ok(Math.abs((values[0] ?? 0) - expected) < 1e-6 * (1 + Math.abs(expected)), task);
      }
    }
  });
});
