/** Fingerprints: SHA-256 of canonical JSON, and what two runs must share to be one. */
import { createHash } from 'node:crypto';
import type { ResolvedConfig } from '../config/types.js';

/** JSON with sorted keys; undefined members are left out. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(canonical);
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, member]) => member !== undefined);
    entries.sort(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(entries.map(([key, member]) => [key, canonical(member)]));
  }
  return value;
}

export function fingerprint(value: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(canonical(value)))
    .digest('hex');
}

/** The part of a configuration that decides every parameter after a given number of steps. */
export function trajectoryConfig(config: ResolvedConfig): object {
  const { train: _train, eval: _eval, ...data } = config.data;
  const { batchSize, sparseOptimizer, denseOptimizer, clip, seed } = config.training;
  return {
    data,
    model: config.model,
    tasks: config.tasks,
    training: { batchSize, sparseOptimizer, denseOptimizer, clip, seed },
  };
}

/** `path: old → new` of every leaf in which two plain values differ. */
export function differences(before: unknown, after: unknown, path = ''): string[] {
  if (isTree(before) && isTree(after)) {
    const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...keys].flatMap((key) => differences(before[key], after[key], path === '' ? key : `${path}.${key}`));
  }
  const [a, b] = [JSON.stringify(before), JSON.stringify(after)];
  return a === b ? [] : [`${path}: ${a ?? 'absent'} → ${b ?? 'absent'}`];
}

function isTree(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
