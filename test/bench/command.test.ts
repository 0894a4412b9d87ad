import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prerank, runPrerank } from '../support/sample-run.js';

describe('bench: the command', () => {
  it('has help for every benchmark', async () => {
    const help = prerank('bench', '--help').stdout;
    for (const name of ['step', 'kernels', 'loader', 'ingest', 'replay', 'serve', 'cascade']) {
      assert.match(help, new RegExp(`^  ${name} `, 'm'));
      const { status, stdout } = await runPrerank('bench', name, '--help');
      assert.equal(status, 0);
      assert.match(stdout, /--json/);
    }
  });

  it('prints JSON that a later run compares with, and CSV', () => {
    const few = ['bench', 'kernels', 'rowDot', '--rounds', '1', '--samples', '3'];
    const base = prerank(...few, '--json');
    assert.equal(base.status, 0, base.stderr);
    const { results, environment } = JSON.parse(base.stdout) as {
      results: unknown[];
      environment: { cores: number[] };
    };
    assert.equal(results.length, 3);
    assert.ok(environment.cores.length <= 1, 'pinned to one core');
    assert.equal(
      prerank(...few, '--csv')
        .stdout.trim()
        .split('\n').length,
      4,
    );
    const folder = mkdtempSync(join(tmpdir(), 'prerank-test-'));
    try {
      const path = join(folder, 'base.json');
      writeFileSync(path, base.stdout);
      const compared = JSON.parse(prerank(...few, '--json', '--compare', path).stdout) as { comparison: unknown[] };
      assert.equal(compared.comparison.length, 3);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('exits with 2 for wrong usage', async () => {
    const refused = [['step'], ['step', '--config', 'two-tower-d', '--sparse', 'lion']];
    for (const args of refused) assert.equal((await runPrerank('bench', ...args)).status, 2, args.join(' '));
    // These pin their process to a core before they fail.
    const pinned = [
      ['step', '--config', '/nowhere.yaml'],
      ['kernels', 'matmul'],
      ['kernels', '--compare', '/nowhere.json'],
      ['serve', '--config', 'dlrm'],
    ];
    for (const args of pinned) assert.equal(prerank('bench', ...args).status, 2, args.join(' '));
    process.env.PRERANK_CUDA_LIBRARY = '/nowhere/libprerank_cuda.so';
    const { status, stderr } = await runPrerank('bench', 'step', '--config', 'two-tower-d', '--device', 'cuda:0');
    delete process.env.PRERANK_CUDA_LIBRARY;
    assert.equal(status, 1);
    assert.match(stderr, /error \[DEVICE_UNAVAILABLE\]: cuda:0 cannot be used: the CUDA library cannot be loaded/);
  });
});
