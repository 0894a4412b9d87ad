/** The logs of a simulated system in the folder of an experiment: simulated once, and kept. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { SimulationConfig } from '../cascade/config.js';
import { type SimulateOptions, simulate } from '../cascade/simulate.js';
import type { OnProgress } from './train-run.js';

export class WorldLogs {
  /** Of everything that is made of these logs. */
  readonly folder: string;

  /** @param key of what decides the logs, in the experiment's folder `out`. */
  constructor(out: string, key: string) {
    this.folder = join(out, 'worlds', key);
  }

  get path(): string {
    return join(this.folder, 'logs');
  }

  get exist(): boolean {
    return existsSync(join(this.path, 'simulation.json'));
  }

  async make(
    config: SimulationConfig,
    options: Pick<SimulateOptions, 'threads' | 'signal' | 'stages'>,
    onProgress?: OnProgress,
  ): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    await simulate(config, {
      ...options,
      out: this.path,
      onProgress: ({ requests, totalRequests }) => onProgress?.(requests, totalRequests),
    });
  }
}
