/** DuckDB's shared library, which comes with its Node package and which the native core opens by path. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { PrerankError } from '../base/errors.js';

const require = createRequire(import.meta.url);

const FILE_NAMES: Partial<Record<NodeJS.Platform, string>> = { darwin: 'libduckdb.dylib', win32: 'duckdb.dll' };

/** Packages that may hold the library, the one for glibc first. */
function packageNames(): string[] {
  const name = `@duckdb/node-bindings-${process.platform}-${process.arch}`;
  return process.platform === 'linux' ? [name, `${name}-musl`] : [name];
}

function folderOf(name: string): string | undefined {
  try {
    const bindings = createRequire(require.resolve('@duckdb/node-bindings'));
    return dirname(bindings.resolve(`${name}/package.json`));
  } catch {
    return undefined;
  }
}

/**
 * Path of the library.
 * @throws PrerankError DEVICE_UNAVAILABLE when the package for this system is not installed.
 */
export function duckdbLibrary(): string {
  const file = FILE_NAMES[process.platform] ?? 'libduckdb.so';
  const names = packageNames();
  for (const name of names) {
    const folder = folderOf(name);
    if (folder !== undefined && existsSync(join(folder, file))) return join(folder, file);
  }
  throw new PrerankError(
    'DEVICE_UNAVAILABLE',
    `DuckDB's ${file} is not installed: it comes with ${names[0]}. Install the packages with their optional dependencies (npm install --include=optional)`,
  );
}
