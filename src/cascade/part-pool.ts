/** Worker threads that share the parts of a simulation. */
import { Worker } from 'node:worker_threads';
import { PrerankError } from '../base/errors.js';
import type { PartWorkerData } from './part-worker.js';
import type { Part, PartResult } from './parts.js';

interface Answer {
  readonly result?: PartResult;
  readonly error?: unknown;
}

export class PartPool {
  readonly #workers: readonly Worker[];

  constructor(workerData: PartWorkerData, threads: number) {
    const url = new URL('./part-worker.js', import.meta.url);
    this.#workers = Array.from({ length: threads }, () => new Worker(url, { workerData }));
  }

  /** Results in the order of the parts. A part that fails ends the run. */
  async run(
    parts: readonly Part[],
    done: (part: Part, result: PartResult) => void,
    signal?: AbortSignal,
  ): Promise<PartResult[]> {
    const results: PartResult[] = [];
    const queue = parts.entries();
    const work = async (worker: Worker): Promise<void> => {
      for (const [index, part] of queue) {
        const result = await this.#ask(worker, part, signal);
        results[index] = result;
        done(part, result);
      }
    };
    await Promise.all(this.#workers.map(work));
    return results;
  }

  #ask(worker: Worker, part: Part, signal: AbortSignal | undefined): Promise<PartResult> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => finish(() => reject(new PrerankError('CANCELLED', 'the simulation was interrupted')));
      const onError = (error: Error): void => finish(() => reject(error));
      const onMessage = ({ result, error }: Answer): void =>
        finish(() => (result === undefined ? reject(error) : resolve(result)));
      const finish = (settle: () => void): void => {
        worker.off('message', onMessage);
        worker.off('error', onError);
        signal?.removeEventListener('abort', onAbort);
        settle();
      };
      if (signal?.aborted) return onAbort();
      worker.on('message', onMessage);
      worker.on('error', onError);
      signal?.addEventListener('abort', onAbort);
      worker.postMessage(part);
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}
