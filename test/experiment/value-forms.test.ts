/** The total value has the same form wherever it is computed: in the cascade, for a log, in native code. */
import assert from 'node:assert/strict';
import { parse } from 'yaml';
import { totalValues } from '../../src/auction/total-value.js';
import type { SimulationConfig } from '../../src/cascade/config.js';
import { SampledRetrieval } from '../../src/cascade/retrieval.js';
import { SimulatedSystem } from '../../src/cascade/system.js';
import { trainingConfig } from '../../src/cascade/training-config.js';
import { openArms, runArm } from '../../src/experiment/arms.js';
import { ReplayLog } from '../../src/experiment/replay-log.js';
import { RunPool } from '../../src/experiment/run-pool.js';
import { loadConfig } from '../../src/index.js';
import { replayScores } from '../../src/train/replay.js';
import { loggedInputs, totalValueSpec } from '../../src/train/total-value.js';
import { smallArms } from './fixture.js';

const FUNCTIONS: readonly SimulationConfig['auction']['f'][] = [
  { kind: 'identity' },
  { kind: 'affine', scale: 2, shift: 1 },
  { kind: 'clamp', min: -0.1, max: 0.05 },
  {
    kind: 'piecewiseLinear',
    knots: [
      [-0.3, 0.1],
      [-0.1, 0.6],
      [0.1, 1.5],
    ],
  },
];

describe('total values of an arm', () => {
  for (const form of ['additive', 'multiplicative'] as const) {
    for (const f of FUNCTIONS) {
      it(`are ${form} in f(CQS), ${f.kind}, in the cascade and in the replay of its training`, async () => {
        const trained = await smallArms();
        const auction = { form, f };
        const config = { ...trained.config, auction };
        assert.deepEqual(loadConfig(parse(trainingConfig(config))).auction, auction, 'the written configuration');
        const system = new SimulatedSystem(config);
        const pool = new RunPool({ threads: 1 });
        const [arm] = await openArms([await runArm('arm', trained.multiTask, pool)], { pool });
        assert.ok(arm);
        const log = await ReplayLog.open(trained.replay);
        try {
          const { run } = await pool.open(trained.multiTask);
          const predictions = await (await pool.open(trained.multiTask)).predict(log);
          const { set, ctr = [], cqs = [] } = await arm.score(log);
          assert.ok(set);
          const value = Float32Array.from(totalValues(auction, { ...loggedInputs(set), ctr, cqs }));
          const [batch] = system.requests(630, 670, 40);
          assert.ok(batch);
          const served = await arm.early.score(new SampledRetrieval(system).retrieve(batch));
          for (const [row, expected] of value.entries()) {
            assert.ok(
              Math.abs((served.value[row] ?? Number.NaN) - expected) < 1e-5 * (1 + Math.abs(expected)),
              `${row}`,
            );
          }
          const spec = totalValueSpec(auction, set.columns, predictions);
          assert.ok(spec);
          const { metrics } = run.addon;
          const native = await replayScores({ set, metrics, early: spec, k: 12 });
          const given = await replayScores({ set, metrics, early: value, k: 12 });
          for (const name of ['softRecall', 'tvd'] as const) {
            const difference = (native.values[name] ?? Number.NaN) - (given.values[name] ?? Number.NaN);
            assert.ok(Math.abs(difference) < 1e-5, name);
          }
        } finally {
          await log.close();
        }
      });
    }
  }
});
