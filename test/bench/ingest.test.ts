import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withGeneratedLog } from '../../src/bench/generated-log.js';
import { benchIngest } from '../../src/bench/ingest.js';
import { formatIngest } from '../../src/bench/ingest-text.js';
import { benchLoader } from '../../src/bench/loader.js';
import { formatLoader } from '../../src/bench/loader-text.js';
import { referenceLog, referenceLogConfig } from '../../src/bench/reference-log.js';
import { loadConfig } from '../../src/config/load.js';
import { openDataset } from '../../src/data/dataset.js';
import { ingest } from '../../src/data/ingest.js';
import { loadAddon } from '../../src/runtime/load.js';
import { smallStep } from './fixture.js';

const ROWS = 5_000;

describe('bench: ingest', () => {
  it("compares encoding a generated log with DuckDB's reading of it", async () => {
    await withGeneratedLog(ROWS, async (configs) => {
      const variants = [
        { name: 'hash', config: loadConfig(configs.hash) },
        { name: 'vocabulary', config: loadConfig(configs.vocabulary) },
      ];
      const result = await benchIngest(loadAddon(), variants, { threads: 1, rounds: 2 });
      assert.equal(result.rows, ROWS);
      // 6 roles, 16 categorical, 13 dense, 4 lists.
      assert.equal(result.columns, 39);
      assert.deepEqual(
        result.variants.map(({ name, seconds }) => [name, seconds.samples]),
        [
          ['hash', 2],
          ['vocabulary', 2],
        ],
      );
      for (const { seconds, rowsPerSecond, ratio, ratioLow, ratioHigh, bytes } of result.variants) {
        assert.equal(rowsPerSecond, ROWS / seconds.p50);
        assert.ok(ratioLow <= ratio && ratio <= ratioHigh && ratioLow > 0);
        assert.ok(bytes > ROWS * 100);
      }
      assert.match(formatIngest(result), /5000 rows, 39 columns, 1 thread, 2 rounds/);
    });
  });
});

describe('bench: loader', () => {
  it('times batches of a dataset folder, and training on them', async () => {
    const step = smallStep();
    const out = mkdtempSync(join(tmpdir(), 'prerank-test-'));
    try {
      const config = loadConfig(referenceLogConfig(step));
      const { train } = await ingest(config, { out, split: 'train', source: referenceLog(step, 2, 1000, 1) });
      assert.equal(train?.rows, 2000);
      const options = { batch: 100, threads: 1, rounds: 2, steps: 4, seed: 1 };
      const result = await benchLoader(loadAddon(), openDataset(join(out, 'train')), options);
      assert.deepEqual(
        result.loader.map(({ shuffle, seconds }) => [shuffle, seconds.samples]),
        [
          ['none', 2],
          ['full', 2],
        ],
      );
      for (const { rowsPerSecond, bytesPerSecond } of result.loader) {
        // 13 dense columns, 12 single ids, lists, labels: at least 30 numbers of 4 bytes a row.
        assert.ok(rowsPerSecond > 0 && bytesPerSecond / rowsPerSecond > 120);
      }
      const { training } = result;
      assert.equal(training.model, 'two-tower');
      assert.equal(training.step.samples, 8);
      assert.ok(training.waitShare >= 0 && training.waitShare <= 1);
      assert.match(formatLoader(result), /training two-tower on it: .* samples\/s, waiting for data/);
    } finally {
      rmSync(out, { recursive: true });
    }
  });
});
