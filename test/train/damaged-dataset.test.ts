/** A dataset with another byte than it was written with: training and evaluation say which file, and stop. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.js';
import type { ConfigInput } from '../../src/config/schema.js';
import { readDescription } from '../../src/data/dataset-file.js';
import { ingest } from '../../src/data/index.js';
import { train } from '../../src/train/train.js';
import { prerankError, temporaryFolder } from '../data/support/logs.js';
import { sampleConfig, writeLogs } from '../support/sample-run.js';

/** Changes the last byte of the first record batch. */
function damage(dir: string): () => void {
  const [file] = readDescription(dir).files;
  const [batch] = file?.batches ?? [];
  assert.ok(file !== undefined && batch !== undefined);
  const path = join(dir, file.name);
  const whole = readFileSync(path);
  const damaged = Buffer.from(whole);
  const last = batch.offset + batch.bytes - 1;
  damaged.writeUInt8(damaged.readUInt8(last) ^ 1, last);
  writeFileSync(path, damaged);
  return () => writeFileSync(path, whole);
}

describe('training on a damaged dataset', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  after(folder.remove);

  for (const split of ['train', 'eval']) {
    it(`ends with DATASET_CORRUPT, naming the file: ${split}`, async () => {
      const logs = join(folder.path, `logs-${split}`);
      await writeLogs(logs, { train: 512, eval: 256 });
      const { data, ...rest } = sampleConfig(logs);
      const out = join(folder.path, `set-${split}`);
      await ingest(loadConfig({ data, ...rest }), { out });
      const config = loadConfig({ ...rest, data: { train: out } } as ConfigInput);
      const mend = damage(join(out, split));
      await assert.rejects(
        train(config, { out: join(folder.path, `run-${split}`) }),
        prerankError(
          'DATASET_CORRUPT',
          new RegExp(`set-${split}.${split}.part-00000\\.arrow: record batch 0 is damaged`),
        ),
      );
      mend();
      assert.equal((await train(config, { out: join(folder.path, `mended-${split}`) })).status, 'completed');
    });
  }
});
