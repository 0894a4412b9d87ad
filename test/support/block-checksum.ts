/** Checksums of record batches as a dataset states them, from xxHash64s alone. */
import type { Addon } from '../../src/runtime/native.js';

const BLOCK = 65_536;

/** xxHash64 of the xxHash64s of a message's blocks, 16 hexadecimal digits. */
export function blockChecksum(addon: Pick<Addon, 'hashUtf8'>, message: Uint8Array): string {
  const blocks = Math.ceil(message.length / BLOCK);
  const ends = Int32Array.from({ length: blocks + 1 }, (_, i) => Math.min(i * BLOCK, message.length));
  const hashes = new Uint8Array(addon.hashUtf8(message, ends).buffer);
  const [checksum = 0n] = addon.hashUtf8(hashes, Int32Array.of(0, hashes.length));
  return checksum.toString(16).padStart(16, '0');
}
