/** Worker thread: makes the parts that it is sent, one at a time. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { type ErrorCode, type ErrorWhere, PrerankError } from '../base/errors.js';
import type { SimulationConfig } from './config.js';
import { ParquetWriter } from './parquet-writer.js';
import { type Part, PartMaker, type PartResult } from './parts.js';
import { SimulatedSystem } from './system.js';

export interface PartWorkerData {
  readonly config: SimulationConfig;
  readonly folder: string;
}

/** `stop` ends the part in work, `close` the thread when nothing is in work. */
export type PartRequest = { readonly part: Part } | { readonly order: 'stop' | 'close' };

/** An error as a message keeps it. */
export interface PartError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly where: ErrorWhere;
}

export type PartAnswer = { readonly result: PartResult } | { readonly error: PartError };

function asMessage(error: unknown): PartError {
  if (error instanceof PrerankError) return { code: error.code, message: error.message, where: error.where };
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: 'INTERNAL', message, where: {} };
}

async function serve(port: MessagePort, { config, folder }: PartWorkerData): Promise<void> {
  const writer = await ParquetWriter.open();
  const maker = new PartMaker(new SimulatedSystem(config), writer, folder);
  const stop = new AbortController();
  port.on('message', (request: PartRequest) => {
    if ('part' in request) {
      maker.make(request.part, stop.signal).then(
        (result) => port.postMessage({ result } satisfies PartAnswer),
        (error: unknown) => port.postMessage({ error: asMessage(error) } satisfies PartAnswer),
      );
    } else if (request.order === 'stop') {
      stop.abort();
    } else {
      writer.close();
      port.close();
    }
  });
}

if (parentPort !== null) await serve(parentPort, workerData as PartWorkerData);
