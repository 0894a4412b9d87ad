/** The heads of the framework, clicks, quality and teacher, on other trunks than two towers, on the sample logs. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.js';
import { train } from '../../src/index.js';
import { DATA } from '../support/sample-logs.js';

const TRUNKS = ['{ kind: mmoe }', '{ kind: ple, levels: [{ shared: 2, perTask: 1 }] }', '{ kind: cold }'];

describe('heads of the framework on other trunks', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prerank-trunks-'));
  });
  after(() => rm(folder, { recursive: true }));

  for (const [i, model] of TRUNKS.entries()) {
    it(`${model} learns all three, and its total value keeps what the final stage would pick`, async () => {
      const config = loadConfig(join(DATA, 'sample', 'config.yaml'), { set: [`model=${model}`] });
      assert.deepEqual(Object.keys(config.tasks), ['ctr', 'cqs', 'teacher']);
      const { metrics } = await train(config, { out: join(folder, String(i)) });
      const { ctr, cqs, teacher, replay } = metrics.eval ?? {};
      const shown = JSON.stringify(metrics.eval);
      assert.ok((ctr?.ne ?? 1) < 1 && (teacher?.ne ?? 1) < 0.97 && (cqs?.nmse ?? 1) < 0.5, shown);
      // Ads in random order keep .24, clicks alone .65.
      assert.ok((replay?.softRecall ?? 0) > 0.7, shown);
    }).timeout(120_000);
  }
});
