import assert from 'node:assert/strict';
import { benchReplay } from '../../src/bench/replay.js';
import { formatReplay } from '../../src/bench/replay-text.js';
import { loadAddon } from '../../src/runtime/load.js';

describe('bench: replay', () => {
  it('reports every number of picks against a plain read', async () => {
    const addon = loadAddon();
    const replayed: { requests: number; k: number; threads?: number }[] = [];
    const watched = {
      ...addon,
      metrics: {
        ...addon.metrics,
        replay: async (...call: Parameters<typeof addon.metrics.replay>) => {
          const result = await addon.metrics.replay(...call);
          assert.equal(result.fault, undefined);
          replayed.push({ requests: result.requests.length, k: call[1].k, threads: call[1].threads });
          return result;
        },
      },
    };
    const options = { rows: 4050, candidates: 100, picks: [5, 20], rounds: 3, seed: 1 };
    const result = await benchReplay(watched, options);
    // The first round warms up.
    const round = [5, 20].map((k) => ({ requests: 41, k, threads: 1 }));
    assert.deepEqual(replayed, [...round, ...round, ...round, ...round]);
    assert.deepEqual([result.requests, result.bytes, result.read.seconds.samples], [41, 4050 * 12, 3]);
    assert.deepEqual(
      result.replays.map(({ k, seconds }) => [k, seconds.samples]),
      [
        [5, 3],
        [20, 3],
      ],
    );
    for (const { ratio, ratioLow, ratioHigh, seconds, bytesPerSecond } of result.replays) {
      assert.ok(ratioLow > 0 && ratioLow <= ratio && ratio <= ratioHigh);
      assert.equal(bytesPerSecond, result.bytes / seconds.p50);
    }
    assert.match(formatReplay(result), /4\.05 k candidates of 41\.0 requests[\s\S]*plain read[\s\S]*K = 20/);
  });

  it('reads whole lines of every buffer', async () => {
    const { bench } = loadAddon();
    assert.ok((await bench.read([new Uint8Array(1e6), new Uint8Array(63), new Uint8Array(0)])) > 0);
    assert.throws(() => bench.read([new Float32Array(3) as unknown as Uint8Array]), { code: 'INVALID_ARGUMENT' });
  });
});
