/** Worker thread: makes the parts that it is sent, one at a time. */
import { parentPort, workerData } from 'node:worker_threads';
import type { SimulationConfig } from './config.js';
import { ParquetWriter } from './parquet-writer.js';
import { type Part, PartMaker } from './parts.js';
import { SimulatedSystem } from './system.js';

export interface PartWorkerData {
  readonly config: SimulationConfig;
  readonly folder: string;
}

const port = parentPort;
if (port !== null) {
  const { config, folder } = workerData as PartWorkerData;
  const maker = new PartMaker(new SimulatedSystem(config), await ParquetWriter.open(), folder);
  port.on('message', (part: Part) => {
    maker.make(part).then(
      (result) => port.postMessage({ result }),
      (error: unknown) => port.postMessage({ error }),
    );
  });
}
