/** Worker threads and processes that end while programs work. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { on, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { makeDataset, makeLoader, makeStore, makeTrainer, runRequest } from './fixture.js';

function startWorker(steps: number): Worker {
  return new Worker(new URL('./worker.js', import.meta.url), { workerData: { steps } });
}

describe('programs in worker threads', () => {
  it('run side by side with the same results', async () => {
    const workers = [startWorker(30), startWorker(30)];
    const results = await Promise.all(
      workers.map(async (worker) => {
        // Both may arrive at once: a listener for the second alone would come too late.
        const messages = on(worker, 'message');
        await messages.next();
        const { value } = await messages.next();
        return (value as [Float32Array])[0];
      }),
    );
    const store = makeStore();
    await makeTrainer(store).run(makeLoader(makeDataset(5000), { epochs: 1e6 }), runRequest(30));
    assert.deepEqual(results[0], store.read('top.0.weight'));
    assert.deepEqual(results[1], results[0]);
  });

  it('end with their worker, in the middle of a run', async () => {
    for (const delay of [0, 1, 5, 20]) {
      const worker = startWorker(1e6);
      await once(worker, 'message');
      await sleep(delay);
      await worker.terminate();
    }
  });
});

describe('a process with programs', () => {
  const script = fileURLToPath(new URL('./exit.js', import.meta.url));
  const run = (mode: string) => spawnSync(process.execPath, [script, mode], { encoding: 'utf8', timeout: 60_000 });

  it('exits by itself when nothing is pending', () => {
    const { status, stdout, stderr } = run('idle');
    assert.equal(status, 0, stderr);
    assert.equal(stdout, 'done\n');
  });

  it('goes on until a cancelled run has settled', () => {
    const { status, stdout, stderr } = run('cancel');
    assert.equal(status, 0, stderr);
    assert.equal(stdout, 'cancelled\n');
  });

  it('can be ended in the middle of a run', () => {
    const exited = run('exit');
    assert.equal(exited.status, 7, exited.stderr);
    const thrown = run('throw');
    assert.equal(thrown.status, 1, thrown.stderr);
    assert.match(thrown.stderr, /on purpose/);
  });
});
