/** Fingerprints: SHA-256 of canonical JSON, and what two runs must share to be one. */
import { createHash } from 'node:crypto';
import { canonicalJson } from '../base/compare.js';
import type { ResolvedConfig } from '../config/types.js';

export { differences } from '../base/compare.js';

export function fingerprint(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}

/** The part of a configuration that decides every parameter after a given number of steps. */
export function trajectoryConfig(config: ResolvedConfig): object {
  const { train: _train, eval: _eval, ...data } = config.data;
  const { batchSize, sparseOptimizer, denseOptimizer, clip, balancing, pwiser, startFrom, tableType, matmul, seed } =
    config.training;
  return {
    data,
    model: config.model,
    tasks: config.tasks,
    training: {
      batchSize,
      sparseOptimizer,
      denseOptimizer,
      clip,
      balancing,
      ...(pwiser === undefined ? {} : { pwiser }),
      ...(tableType === 'float32' ? {} : { tableType }),
      ...(matmul === 'float32' ? {} : { matmul }),
      ...(startFrom === undefined ? {} : { startFrom }),
      seed,
    },
  };
}
