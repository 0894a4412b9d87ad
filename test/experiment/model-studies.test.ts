import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSimulation } from '../../src/cascade/config.js';
import { loadConfig } from '../../src/config/load.js';
import { type ExperimentOptions, resultRows, runExperiment } from '../../src/experiment/experiment.js';
import { htmlReport } from '../../src/experiment/html.js';
import { markdownReport } from '../../src/experiment/markdown.js';
import { compareModels } from '../../src/experiment/model-bench.js';
import { MODEL_MEASURES, type ModelMeasureName } from '../../src/experiment/model-measures.js';
import type { ModelStudy } from '../../src/experiment/model-study.js';
import { STUDIES } from '../../src/experiment/studies.js';

const MODEL_STUDIES = STUDIES.filter(({ kind }) => kind === 'models') as ModelStudy[];

describe('studies of models', () => {
  for (const study of MODEL_STUDIES) {
    it(`${study.name}: every model that is compared is trained in its world`, () => {
      const trained = new Set(study.worlds.flatMap(({ name, arms }) => arms.map((arm) => `${name}/${arm}`)));
      for (const name of study.worlds.flatMap(({ arms }) => arms)) {
        const { model } = study.arms[name] ?? {};
        assert.ok(model !== undefined && study.models[model], name);
      }
      for (const { table, row, measure, control, treatment } of study.rows) {
        assert.equal(table, study.name);
        assert.ok(measure in MODEL_MEASURES, row);
        for (const { world, arm } of [control, treatment]) assert.ok(trained.has(`${world}/${arm}`), `${world}/${arm}`);
      }
      const keys = study.rows.map(({ row, measure }) => `${row}/${measure}`);
      assert.equal(new Set(keys).size, keys.length, 'no row is there twice');
    });

    it(`${study.name}: its systems and models have valid configurations`, () => {
      for (const { simulation } of study.worlds) {
        const config = loadSimulation(simulation);
        for (const { model, tasks, training } of Object.values(study.models)) {
          const data = study.data(config, '/logs');
          const loaded = loadConfig({
            data,
            model,
            tasks: tasks ?? study.tasks,
            training: { ...study.training, ...training },
          });
          assert.equal(loaded.model.kind, (model as { kind?: string }).kind);
        }
      }
    });
  }
});

describe('a row that compares models', () => {
  const plan = {
    table: 't',
    row: 'r',
    measure: 'ctrAuc',
    control: { world: 'w', arm: 'a' },
    treatment: { world: 'w', arm: 'b' },
    paper: null,
    sign: 1,
    required: true,
  } as const;
  const values = (of: readonly (number | null)[]) =>
    Object.fromEntries(Object.keys(MODEL_MEASURES).map((name) => [name, of])) as unknown as Record<
      ModelMeasureName,
      readonly (number | null)[]
    >;

  it('is the mean difference over seeds, which holds where it stands out of their scatter', () => {
    const control = values([0.6, 0.7, 0.65, 0.62]);
    const row = compareModels(plan, control, values([0.61, 0.712, 0.658, 0.63]));
    assert.ok(Math.abs((row.ours ?? 0) - 0.01) < 1e-12);
    assert.deepEqual([row.holds, row.change, row.seeds.length], [true, 'absolute', 4]);
    assert.ok((row.low ?? 0) > 0.006 && (row.high ?? 1) < 0.014 && (row.p ?? 1) < 0.01);
    assert.ok(Math.abs((row.control.value ?? 0) - 0.6425) < 1e-12);
    assert.equal(compareModels(plan, control, values([0.5, 0.8, 0.75, 0.62])).holds, false, 'scatter');
    assert.equal(compareModels({ ...plan, sign: -1 }, control, values([0.61, 0.712, 0.658, 0.63])).holds, false);
    assert.equal(compareModels({ ...plan, sign: null }, control, control).holds, null);
  });

  it('is undefined where a seed has no value, and has no interval for one seed', () => {
    const { ours, p, holds } = compareModels(plan, values([0.6, null]), values([0.61, 0.7]));
    assert.deepEqual([ours, p, holds], [null, null, false]);
    const one = compareModels(plan, values([0.5]), values([0.75]));
    assert.deepEqual([one.ours, one.low, one.p, one.holds], [0.25, null, null, false]);
  });
});

describe('an experiment with models', function () {
  this.timeout(120_000);
  let folder: string;
  let options: ExperimentOptions;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prerank-models-'));
    const set = ['world.users=60', 'world.ads=40', 'requests.train=60', 'requests.eval=60', 'training.epochs=1'];
    options = { studies: ['pwiser'], seeds: 2, threads: 1, out: folder, set };
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('goes on where it was interrupted, repeats its figures, and makes reports', async () => {
    const stop = new AbortController();
    const started: string[] = [];
    const interrupted = runExperiment({
      ...options,
      signal: stop.signal,
      onStep: ({ title }) => {
        started.push(title);
        if (title.endsWith('train esmm')) stop.abort();
      },
    });
    await assert.rejects(interrupted, { code: 'CANCELLED' });
    assert.equal(started[0], 'seed 1, three clicks in ten are accidents: simulate');
    const rest: string[] = [];
    const result = await runExperiment({ ...options, onStep: ({ title }) => rest.push(title) });
    assert.equal(rest[0], started.at(-1));
    assert.equal(result.steps, 2 * (2 * 2 + 2 * 8) - 3, 'two worlds a seed: logs, dataset, eight runs');
    const again = await runExperiment(options);
    assert.equal(again.steps, 0);
    assert.deepEqual(resultRows(again), resultRows(result));
    for (const { ours, seeds } of resultRows(result)) assert.ok(ours === null || seeds.length === 2);
    assert.ok(resultRows(result).some(({ ours, low }) => ours !== null && low !== null));
    assert.ok(markdownReport(result).includes('| arm | AUC of CTCVR | AUC of CVR | AUC of CTR |'));
    assert.match(await htmlReport(result), /Student&#39;s t|Student's t/);
  });

  it('shares logs and runs between studies', async () => {
    const runs = await readdir(join(folder, 'runs'));
    const { steps } = await runExperiment({ ...options, studies: ['pwiser', 'taml'] });
    const more = (await readdir(join(folder, 'runs'))).length - runs.length;
    assert.equal(more, 2 * (10 - 2), 'mmoe and esmm are there');
    assert.equal(steps, more);
  });

  it('judges every score of a model on whole candidate lists', async () => {
    const set = [
      'world.users=60',
      'world.ads=40',
      'cascade.retrieved=20',
      'cascade.passed=8',
      'cascade.shown=4',
      'world.click.base=-3',
      'requests.train=60',
      'requests.replay=30',
      'training.epochs=1',
    ];
    const result = await runExperiment({ ...options, studies: ['ecm'], seeds: 1, set });
    const [study] = result.studies;
    assert.ok(study);
    for (const { arm, values } of study.arms) {
      for (const name of study.shown) {
        const value = values[name]?.value ?? Number.NaN;
        assert.ok(value >= 0 && value <= 1, `${arm} ${name}: ${value}`);
      }
      assert.equal(values.exposureRecall50?.value, 1, 'of 20 candidates');
      assert.equal(values.ctrAuc?.value, null);
    }
    const [t1, t2] = ['ecm (t1)', 'ecm (t2)'].map((name) => study.arms.find(({ arm }) => arm === name)?.values);
    assert.notDeepEqual(t1, t2);
    const again = await runExperiment({ ...options, studies: ['ecm'], seeds: 1, set });
    assert.deepEqual([again.steps, again.studies], [0, result.studies]);
  });
});
