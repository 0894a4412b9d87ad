import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cascade, createStages } from '../../src/cascade/cascade.js';
import { loadSimulation, type SimulationConfig } from '../../src/cascade/config.js';
import { OracleFinal } from '../../src/cascade/final.js';
import { simulate } from '../../src/cascade/simulate.js';
import { SimulatedSystem } from '../../src/cascade/system.js';
import { compareArms } from '../../src/experiment/ab.js';
import { openNamedArms } from '../../src/experiment/arm-notation.js';
import { modelStages } from '../../src/experiment/model-stages.js';
import { type EvaluationResult, evaluate, loadConfig, openRun, train } from '../../src/index.js';
import { duckdb, prerank } from '../support/sample-run.js';

/** A small world whose system shows a lot, so that few requests teach a final stage. */
const WORLD = {
  seed: 3,
  world: { users: 3000, ads: 400 },
  features: { noise: 0.15 },
  cascade: { retrieved: 40, passed: 20, shown: 8 },
  log: { final: 1, early: 1 },
};

describe('trained runs as stages of the cascade', () => {
  let folder: string;
  let history: string;
  let early: string;
  let final: string;
  let later: SimulationConfig;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prerank-stages-'));
    history = join(folder, 'history');
    [early, final] = [join(folder, 'early'), join(folder, 'final')];
    const requests = { train: 2500, eval: 500, replay: 10 };
    await simulate(loadSimulation({ ...WORLD, requests }), { out: history, threads: 1 });
    const overrides = { training: { threads: 1, batchSize: 256, epochs: 2 } };
    await train(loadConfig(join(history, 'config.yaml'), { overrides }), { out: early });
    await train(loadConfig(join(history, 'final.yaml'), { overrides }), { out: final });
    later = loadSimulation({
      ...WORLD,
      requests: { first: 3010, train: 150, eval: 10, replay: 10 },
      early: { run: early },
      teacher: { run: final },
    });
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('have an NE at least 2 % better than the early model on requests that neither saw', async () => {
    const data = [join(history, 'eval', '*.parquet')];
    const neOf = async (run: string): Promise<number> => {
      const result: EvaluationResult = await evaluate(await openRun(run, { threads: 1 }), { data });
      return result.tasks.ctr?.ne ?? Number.NaN;
    };
    const [finalNe, earlyNe] = [await neOf(final), await neOf(early)];
    assert.ok(finalNe < 0.98 * earlyNe, `final stage ${finalNe}, early model ${earlyNe}`);
  });

  it('write logs that carry their predictions, CQS and total values', async () => {
    const logs = join(folder, 'later');
    const stages = await modelStages(later, { threads: 1 });
    const { seconds, scored, scoredPerSecond } = await simulate(later, { out: logs, stages: () => stages });
    assert.ok(seconds.models > 0 && seconds.scoring > 0, JSON.stringify(seconds));
    const byOracle = scored - 170 * later.cascade.retrieved;
    assert.ok(
      Math.abs(scoredPerSecond * seconds.scoring - byOracle) < 1e-6 * byOracle,
      'the early stage has no oracle',
    );
    const rows = await duckdb(`
      SELECT count(*), count(*) FILTER (ectr IS NOT NULL), min(request_id)::INTEGER, max(request_id)::INTEGER,
        max(abs(cqs - .25 * (-6 * p_cross_out - 4 * p_hide - 10 * p_report + .5 * p_survey_good + .45 * p_engaged_view))),
        max(abs(total_value - bid * ectr - cqs)) FILTER (objective = 'click')
      FROM '${join(logs, 'train', '*.parquet')}'`);
    const [total, withCtr, first, last, cqsError, valueError] = rows[0] ?? [];
    assert.deepEqual([Number(total), first, last], [1500, 3010, 3159]);
    assert.ok(Number(withCtr) > 0 && Number(withCtr) < 1500);
    assert.ok(Number(cqsError) < 1e-5 && Number(valueError) < 1e-5, `${cqsError} ${valueError}`);
    const system = new SimulatedSystem(later);
    const cascade = new Cascade(system, createStages(system, stages));
    const [batch] = system.requests(3010, 3011);
    assert.ok(batch);
    const { auction, early: scores } = await cascade.serve(batch);
    const oracle = await new Cascade(system, { ...createStages(system, stages), final: new OracleFinal() }).score(
      auction.candidates,
    );
    assert.ok(scores.cqs !== undefined);
    assert.notDeepEqual(auction.scores.ctr, oracle.scores.ctr);
    assert.deepEqual(auction.scores.vtr, oracle.scores.vtr, 'no task of the run');
  });

  it('are named on the command line', () => {
    const logs = join(folder, 'command');
    const set = ['train', 'eval', 'replay'].flatMap((log) => ['--set', `requests.${log}=1`]);
    const { status, stderr } = prerank('simulate', ...set, '--out', logs, '--final', final, '--early', early);
    assert.equal(status, 0, stderr);
    const { teacher, early: logging } = loadSimulation(join(logs, 'simulation.yaml'));
    assert.deepEqual([teacher.run, logging.run], [final, early]);
  });

  it('judge arms in an A/B comparison', async () => {
    const file = join(folder, 'later', 'simulation.yaml');
    const { system, arms, stages } = await openNamedArms([early, 'random'], { simulation: file, threads: 1 });
    const { first, treatments } = await compareArms(system, arms, { requests: 30, resamples: 100, stages });
    assert.equal(first, 3180);
    const value = treatments[0]?.metrics.find(({ metric }) => metric === 'totalValue');
    assert.ok((value?.difference ?? 0) < 0);
    await assert.rejects(compareArms(system, arms, { requests: 30 }), { code: 'INVALID_ARGUMENT' });
  });

  it('are refused without a task that the stage can use', async () => {
    const config = { ...later, early: { ...later.early, run: final }, teacher: { ...later.teacher, run: early } };
    assert.deepEqual(Object.keys(await modelStages(config)), ['early', 'final'], 'both have a task ctr');
    assert.throws(() => createStages(new SimulatedSystem(later)), { code: 'INVALID_ARGUMENT' });
    assert.ok(readFileSync(join(history, 'final.yaml'), 'utf8').includes('cross_match'));
  });
});
