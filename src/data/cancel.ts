/** Work that was told to stop. */
import { PrerankError } from '../base/errors.js';
import { awaitNative } from '../runtime/errors.js';
import type { Addon, NativeCancellation } from '../runtime/native.js';

/** @throws PrerankError CANCELLED when the signal was aborted. */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new PrerankError('CANCELLED', 'cancelled; nothing was left behind');
}

/**
 * Awaits a call into the addon that aborting the signal stops.
 * @throws PrerankError CANCELLED when the signal was aborted; what the call throws.
 */
export async function awaitCancellable<T>(
  addon: Pick<Addon, 'Cancellation'>,
  signal: AbortSignal | undefined,
  call: (cancellation: NativeCancellation) => Promise<T>,
): Promise<T> {
  throwIfCancelled(signal);
  const cancellation = new addon.Cancellation();
  const cancel = (): void => cancellation.cancel();
  signal?.addEventListener('abort', cancel);
  try {
    return await awaitNative(() => call(cancellation));
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
}
