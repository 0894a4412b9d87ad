import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { prerank, sampleConfig, startPrerank, writeConfig, writeLogs } from '../support/sample-run.js';

const MODEL = join('model', 'model.safetensors');

describe('a run that is killed', () => {
  let folder: string;
  let config: string;
  let expected: Buffer;
  const settings = ['--set', 'training.epochs=40', '--set', 'training.checkpointEverySteps=20'];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prerank-kill-'));
    await writeLogs(folder);
    config = await writeConfig(folder, sampleConfig(folder));
    const whole = join(folder, 'whole');
    const { status, stderr } = prerank('train', config, '--out', whole, ...settings);
    assert.equal(status, 0, stderr);
    expected = await readFile(join(whole, MODEL));
  });
  after(() => rm(folder, { recursive: true }));

  /** Starts training and sends a signal once a checkpoint is there. */
  async function killAfterCheckpoint(out: string, signal: NodeJS.Signals, delay: number) {
    const { child, exit } = startPrerank('train', config, '--out', out, ...settings);
    while (!existsSync(join(out, 'checkpoints', 'last'))) {
      assert.equal(child.exitCode, null, 'it ended before its first checkpoint');
      await sleep(5);
    }
    await sleep(delay);
    child.kill(signal);
    return exit;
  }

  async function resumesToTheSameBytes(out: string): Promise<void> {
    const { status, stderr } = prerank('train', config, '--out', out, ...settings, '--resume');
    assert.equal(status, 0, stderr);
    assert.deepEqual(await readFile(join(out, MODEL)), expected);
  }

  for (const delay of [0, 15, 40, 90]) {
    it(`resumes to the same bytes after SIGKILL ${delay} ms after its first checkpoint`, async () => {
      const out = join(folder, `killed-${delay}`);
      const { status } = await killAfterCheckpoint(out, 'SIGKILL', delay);
      assert.equal(status, null);
      await resumesToTheSameBytes(out);
    });
  }

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    it(`writes a checkpoint and exits with 130 on ${signal}, then resumes to the same bytes`, async () => {
      const out = join(folder, signal);
      const { status, stderr } = await killAfterCheckpoint(out, signal, 10);
      assert.equal(status, 130, stderr);
      const step = Number(/interrupted at step (\d+)/.exec(stderr)?.[1]);
      assert.equal((await readFile(join(out, 'checkpoints', 'last'), 'utf8')).trim(), `step-${step}`);
      await resumesToTheSameBytes(out);
    });
  }
});
