import assert from 'node:assert/strict';
import { loadSimulation } from '../../src/cascade/config.js';
import { SimulatedSystem } from '../../src/cascade/system.js';
import { openArms } from '../../src/experiment/arms.js';
import { judgeArms } from '../../src/experiment/judge-arms.js';
import { MEASURES } from '../../src/experiment/measures.js';
import { findStudy, STUDIES } from '../../src/experiment/studies.js';
import type { ArmIn, CascadeStudy } from '../../src/experiment/study.js';
import { ingestConfig, runConfig, runSettings } from '../../src/experiment/training-plan.js';

const TINY = { world: { users: 50, ads: 40 }, cascade: { retrieved: 20, passed: 5 } };

describe('studies', () => {
  for (const study of STUDIES.filter(({ kind }) => kind === 'cascade') as CascadeStudy[]) {
    it(`${study.name}: every arm that is compared is judged, of runs that there are`, () => {
      const judged = new Set(study.worlds.flatMap(({ name, arms }) => arms.map((arm) => `${name}/${arm}`)));
      const compared: ArmIn[] = [
        ...study.rows.flatMap(({ control, treatment }) => [control, treatment]),
        ...(study.curves ?? []).flatMap(({ series }) => series.flatMap(({ points }) => points.map(({ arm }) => arm))),
      ];
      for (const { world, arm } of compared) assert.ok(judged.has(`${world}/${arm}`), `${world}/${arm}`);
      assert.equal(new Set(study.worlds.map(({ name }) => name)).size, study.worlds.length);
      for (const { measure, row, table } of study.rows) assert.ok(measure in MEASURES && table === study.name, row);
      for (const name of study.worlds.flatMap(({ arms }) => arms)) {
        const arm = study.arms[name];
        assert.ok(arm, name);
        if (!('ctr' in arm)) continue;
        const { ctr, quality } = arm;
        const ofQuality =
          quality === null ? [] : 'run' in quality ? [quality.run] : quality.events.map(({ run }) => run);
        for (const run of [ctr.run, ...ofQuality]) assert.ok(study.runs[run], `${name}: ${run}`);
      }
    });

    it(`${study.name}: its systems and runs have valid configurations`, () => {
      for (const { simulation } of study.worlds) {
        const config = loadSimulation(simulation);
        assert.ok(ingestConfig(config, 'outliers', '/logs').data.train);
        for (const plan of Object.values(study.runs)) {
          const run = runConfig(runSettings(config, plan), plan, { folder: '/data', rows: 100_000 }, []);
          assert.equal(run.training.epochs === undefined, plan.online !== undefined);
        }
      }
    });
  }

  it('stop a run that learns online at its share of the rows', () => {
    const config = loadSimulation(TINY);
    const plan = { rows: 'augmented', tasks: { ctr: {} }, online: 0.25 } as const;
    const run = runConfig(runSettings(config, plan), plan, { folder: '/data', rows: 102_400 }, []);
    assert.equal(run.training.steps, Math.round((0.25 * 102_400) / run.training.batchSize));
    assert.equal(run.data.shuffle, 'none');
    assert.equal(run.training.denseOptimizer.schedule.kind, 'constant');
  });

  it('let --set have the last word on every run', () => {
    const config = loadSimulation(TINY);
    const plan = { rows: 'impressions', tasks: { ctr: {} } } as const;
    const run = runConfig(runSettings(config, plan), plan, { folder: '/data', rows: 100 }, ['training.epochs=3']);
    assert.equal(run.training.epochs, 3);
  });

  it('are found by name', () => {
    assert.equal(findStudy('table2').name, 'table2');
    assert.throws(() => findStudy('balance'), { code: 'USAGE', message: /balancing/ });
  });

  it('rank the truth above chance', async () => {
    const config = loadSimulation(TINY, { overrides: { requests: { train: 1, eval: 5, replay: 40 } } });
    const system = new SimulatedSystem(config);
    const events = config.quality.events.map(({ name }) => name);
    const arms = await openArms(
      [
        { name: 'random', random: true },
        { name: 'oracle', oracle: { noise: 0, events } },
      ],
      { system },
    );
    const judged = await judgeArms(system, arms);
    const total = (arm: string): number => judged.get(arm)?.cascade.soft.reduce((sum, x) => sum + x, 0) ?? 0;
    assert.ok(total('oracle') > total('random') + 5);
  });
});
