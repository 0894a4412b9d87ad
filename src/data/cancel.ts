/** Work that was told to stop. */
import { PrerankError } from '../base/errors.js';

/** @throws PrerankError CANCELLED when the signal was aborted. */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new PrerankError('CANCELLED', 'cancelled; nothing was left behind');
}
