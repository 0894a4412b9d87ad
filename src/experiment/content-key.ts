/** Folder names from what decides their content: the same work is found again, other work does not collide. */
import { createHash } from 'node:crypto';
import { canonicalJson } from '../base/compare.js';
import { version } from '../version.js';

/** Of a plain value and this version of the package. */
export function contentKey(content: unknown): string {
  return createHash('sha256').update(canonicalJson({ version, content })).digest('hex').slice(0, 16);
}
