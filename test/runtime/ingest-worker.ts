/** Starts the native work that its data name in a worker thread, and posts a message when it has begun. */
import { parentPort, workerData } from 'node:worker_threads';
import { loadAddon } from '../../src/runtime/load.js';
import type { IngestSpec, ProfileSpec } from '../../src/runtime/native.js';

const { ingest, profile } = workerData as { ingest?: IngestSpec; profile?: ProfileSpec };
const addon = loadAddon();
const pending: Promise<unknown>[] = [];
if (ingest) pending.push(new addon.Ingest(ingest).run());
if (profile) pending.push(addon.profileLog(profile));
parentPort?.postMessage('started');
await Promise.all(pending);
