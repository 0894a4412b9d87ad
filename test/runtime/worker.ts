/** Trains in a worker thread; posts a message when the run has begun and, with `steps`, its result. */
import { parentPort, workerData } from 'node:worker_threads';
import { makeDataset, makeLoader, makeStore, makeTrainer, runRequest } from './fixture.js';

const { steps } = workerData as { steps: number };
const store = makeStore();
const pending = makeTrainer(store).run(makeLoader(makeDataset(5000), { epochs: 1e6 }), runRequest(steps));
parentPort?.postMessage('started');
await pending;
parentPort?.postMessage(store.read('top.0.weight'));
