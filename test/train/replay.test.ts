/** Metrics of a replay from its requests' figures, and what is said about bad inputs. */
import assert from 'node:assert/strict';
import { loadAddon } from '../../src/runtime/load.js';
import type { Addon } from '../../src/runtime/native.js';
import { replayScores } from '../../src/train/replay.js';
import { arrayDataset, random } from '../support/arrays.js';

/** The requests R1 and R2 of metrics.md, then one whose total values are negative. */
const LOG = {
  'role.request': Uint32Array.of(0, 0, 0, 0, 0, 1, 1, 1, 2),
  'role.finalTotalValue': Float32Array.of(10, 8, 5, 3, 1, 4, 2, 1, -1),
  early: Float32Array.of(0.2, 0.9, 0.5, 0.8, 0.1, 1, 2, 3, 4),
};

describe('replay of given scores', () => {
  let addon: Addon;
  before(() => {
    addon = loadAddon();
  });
  const replay = (log: Parameters<typeof arrayDataset>[1], early: string | Float32Array = 'early', k = 2) =>
    replayScores({ set: { native: arrayDataset(addon, log) }, metrics: addon.metrics, early, k });

  it('gives the worked examples', async () => {
    const { values, intervals } = await replay(LOG);
    const expected = {
      k: 2,
      requests: 3,
      hardRecall: 2 / 3,
      hardRecallSd: Math.sqrt(1 / 18),
      softRecall: 0.555556,
      softRecallSd: 0.055556,
      softRecallPooled: 0.583333,
      softSkipped: 1,
      rcs: 2 / 3,
    };
    for (const [name, value] of Object.entries(expected)) {
      assert.ok(Math.abs((values[name] ?? Number.NaN) - value) < 5.1e-7, `${name} is ${values[name]}, not ${value}`);
    }
    assert.deepEqual(Object.keys(values), [...Object.keys(expected), 'ndcg', 'tvd']);
    assert.equal(intervals, undefined);
    const ndcg = await replay({ ...LOG, 'role.request': Uint32Array.of(0, 0, 0, 0, 0, 1, 1, 1, 1) }, 'early', 3);
    assert.ok(ndcg.values.ndcg !== null);
  });

  it('takes numbers given for the rows as well as a column', async () => {
    const { early, ...rest } = LOG;
    assert.deepEqual(await replay(rest, early), await replay(LOG));
  });

  it('gives intervals around the metrics when asked to', async () => {
    const next = random(3);
    const rows = 6000;
    const final = Float32Array.from({ length: rows }, () => next());
    const log = {
      'role.request': Uint32Array.from({ length: rows }, (_, row) => Math.floor(row / 20)),
      'role.finalTotalValue': final,
      early: final.map((value) => value + next() - 0.5),
    };
    const { values, intervals = {} } = await replayScores({
      set: { native: arrayDataset(addon, log) },
      metrics: addon.metrics,
      early: 'early',
      k: 5,
      bootstrap: { resamples: 1000, seed: 1 },
    });
    assert.deepEqual(Object.keys(intervals), ['hardRecall', 'softRecall', 'softRecallPooled', 'rcs', 'ndcg', 'tvd']);
    for (const [name, { low, high }] of Object.entries(intervals)) {
      const value = values[name] ?? Number.NaN;
      assert.ok(low !== null && high !== null && low < value && value < high, `${name}: ${low} ${value} ${high}`);
    }
    // ±1.96 standard errors of the mean over 300 requests.
    const { low, high } = intervals.hardRecall ?? { low: null, high: null };
    const width = (2 * 1.96 * (values.hardRecallSd ?? 0)) / Math.sqrt(300);
    assert.ok(Math.abs((high ?? 0) - (low ?? 0) - width) < 0.15 * width);
  });

  it('names the row of a score that is missing', async () => {
    const early = LOG.early.with(6, Number.NaN);
    await assert.rejects(replay({ ...LOG, early }), { code: 'METRIC_INPUT', message: /early score of row 6/ });
    const final = LOG['role.finalTotalValue'].with(3, Number.POSITIVE_INFINITY);
    await assert.rejects(replay({ ...LOG, 'role.finalTotalValue': final }), {
      code: 'METRIC_INPUT',
      message: /final total value of row 3/,
    });
    // Rows that did not reach the final stage need no score.
    const unscored = LOG['role.finalTotalValue'].with(6, Number.NaN);
    assert.equal((await replay({ ...LOG, early, 'role.finalTotalValue': unscored })).values.requests, 3);
  });
});
