import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../src/runtime/load.js';
import { skip } from '../support/skip.js';

/** A Python with torch and safetensors; it is no dependency of the package. */
const PYTHON = process.env.PRERANK_PYTHON ?? 'python3';

describe('parity with PyTorch', () => {
  let folder: string;

  before(async function () {
    const { status } = spawnSync(PYTHON, ['-c', 'import torch, numpy, safetensors'], { stdio: 'ignore' });
    if (status !== 0) skip(this, `${PYTHON} has no torch, numpy and safetensors (PRERANK_PYTHON names another Python)`);
    folder = await mkdtemp(join(tmpdir(), 'prerank-parity-'));
  });
  after(async () => {
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  for (const model of ['two-tower', 'dlrm']) {
    for (const sparse of ['adagrad', 'rowwise-adagrad']) {
      it(`${model} with Adam and ${sparse}: a hundred losses and the final weights`, () => {
        const script = join(packageRoot(), 'bench', 'peers', 'parity.mjs');
        const out = join(folder, `${model}-${sparse}`);
        const options = ['--python', PYTHON, '--model', model, '--sparse', sparse, '--out', out];
        const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...options], { encoding: 'utf8' });
        assert.equal(status, 0, stdout + stderr);
        assert.match(stdout, /ok: losses <= 1e-04, weights <= 1e-03/);
      });
    }
  }
});
