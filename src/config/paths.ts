/** Paths as a configuration gives them. */
import { isAbsolute, resolve } from 'node:path';

/** `path` from `directory` on; absolute paths and URLs stay as they are. */
export function absolutePath(path: string, directory: string): string {
  return isAbsolute(path) || /^[a-z][a-z0-9]+:\/\//i.test(path) ? path : resolve(directory, path);
}
