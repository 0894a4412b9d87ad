import assert from 'node:assert/strict';
import { benchCascade } from '../../src/bench/cascade.js';
import { formatCascade } from '../../src/bench/cascade-text.js';
import { loadAddon } from '../../src/runtime/load.js';
import { smallConfig } from '../cascade/support.js';

describe('bench: cascade', () => {
  it('reports the rates of both stages over all threads', async () => {
    const result = await benchCascade(loadAddon(), smallConfig(), { threads: 2, rounds: 3, requests: 4 });
    assert.deepEqual(
      result.results.map(({ stage, pairs, round }) => [stage, pairs, round.samples]),
      [
        ['final', 2 * 4 * 60, 3],
        ['early', 2 * 4 * 60, 3],
      ],
    );
    for (const { pairs, round, pairsPerSecond, pairsPerCpuSecond } of result.results) {
      assert.equal(pairsPerSecond, pairs / round.p50);
      assert.ok(pairsPerCpuSecond > 0);
    }
    assert.match(formatCascade(result), /2 threads, 60 ads a request/);
    assert.match(formatCascade(result), /\nearly stage's oracle +480 +/);
  });
});
