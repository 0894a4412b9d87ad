import type { Context } from 'mocha';

/**
 * Skips the running test (or, from a `before` hook, its whole suite) and says why:
 * the test summary lists skipped tests by name with this reason.
 */
export function skip(context: Context, reason: string): never {
  const runnable = context.runnable() as { skipReason?: string; type?: string; parent?: { skipReason?: string } };
  const owner = runnable.type === 'hook' && runnable.parent ? runnable.parent : runnable;
  owner.skipReason = reason;
  return context.skip();
}
