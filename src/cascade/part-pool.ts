/** Worker threads that share the parts of a simulation. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { PrerankError } from '../base/errors.js';
import type { PartAnswer, PartRequest, PartWorkerData } from './part-worker.js';
import type { Part, PartResult } from './parts.js';

export class PartPool {
  readonly #workers: readonly Worker[];

  constructor(workerData: PartWorkerData, threads: number) {
    const url = new URL('./part-worker.js', import.meta.url);
    this.#workers = Array.from({ length: threads }, () => new Worker(url, { workerData }));
  }

  /**
   * Results in the order of the parts. When a part fails or `signal` is aborted, the others stop, and the first error is
   * thrown once no thread is at work any more.
   */
  async run(
    parts: readonly Part[],
    done: (part: Part, result: PartResult) => void,
    signal?: AbortSignal,
  ): Promise<PartResult[]> {
    const results: PartResult[] = [];
    const errors: unknown[] = [];
    const queue = parts.entries();
    const stop = (): void => this.#order('stop');
    const work = async (worker: Worker): Promise<void> => {
      for (const [index, part] of queue) {
        if (errors.length > 0) return;
        if (signal?.aborted) throw new PrerankError('CANCELLED', 'the simulation was interrupted');
        const result = await ask(worker, part);
        results[index] = result;
        done(part, result);
      }
    };
    const failed = (error: unknown): void => {
      errors.push(error);
      stop();
    };
    signal?.addEventListener('abort', stop);
    try {
      await Promise.all(this.#workers.map((worker) => work(worker).catch(failed)));
    } finally {
      signal?.removeEventListener('abort', stop);
    }
    if (errors.length > 0) throw errors[0];
    return results;
  }

  #order(order: 'stop' | 'close'): void {
    for (const worker of this.#workers) worker.postMessage({ order } satisfies PartRequest);
  }

  /** Waits until the threads have ended. */
  async close(): Promise<void> {
    const ended = this.#workers.map((worker) => (worker.threadId === -1 ? null : once(worker, 'exit')));
    this.#order('close');
    await Promise.all(ended);
  }
}

/** Sends a part and waits for its answer, or for the end of the thread. */
function ask(worker: Worker, part: Part): Promise<PartResult> {
  return new Promise((resolve, reject) => {
    const settle = (finish: () => void): void => {
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      finish();
    };
    const onMessage = (answer: PartAnswer): void =>
      settle(() => {
        if ('result' in answer) return resolve(answer.result);
        const { code, message, where } = answer.error;
        return reject(new PrerankError(code, message, where));
      });
    const onError = (error: Error): void => settle(() => reject(error));
    const onExit = (code: number): void =>
      settle(() => reject(new PrerankError('INTERNAL', `a worker thread ended with code ${code}`)));
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
    worker.postMessage({ part } satisfies PartRequest);
  });
}
