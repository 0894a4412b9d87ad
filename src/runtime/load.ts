/** Finds and loads the native addon, and says what to do when that fails. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PrerankError } from '../base/errors.js';
import type { Addon } from './native.js';

const require = createRequire(import.meta.url);

/** Where a build leaves the addon, in the order in which they are tried, relative to the package root. */
const BUILD_PATHS = ['build/Release/prerank.node', 'build/prerank.node'];

/** The folder that holds the package's package.json, from the place of this file (dist, or the tests' build). */
export function packageRoot(): string {
  const start = dirname(fileURLToPath(import.meta.url));
  for (let folder = start; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder;
    if (folder === dirname(folder)) {
      throw new PrerankError(
        'ADDON_NOT_BUILT',
        `the prerank package has no package.json above ${start}: install it anew`,
      );
    }
  }
}

/** What the dynamic loader's message means, and what helps. */
function remedyFor(message: string): string {
  if (message.includes('liblz4') || message.includes('libzstd')) {
    return 'LZ4 or Zstandard is not installed on this machine: run `apt-get install liblz4-1 libzstd1` (as root)';
  }
  if (/GLIBC(XX)?_[\d.]+.*not found/.test(message)) {
    return 'it was built on a newer system than this one: build it here with `npm run build`';
  }
  if (
    message.includes('invalid ELF header') ||
    message.includes('wrong ELF class') ||
    message.includes('file too short')
  ) {
    return 'the file is damaged or made for another processor: build it again with `npm run build`';
  }
  return 'build it again with `npm run build`';
}

/**
 * Loads the addon from one of `paths`: the first that exists. Loading the same file again gives the same addon.
 * @throws PrerankError `ADDON_NOT_BUILT`, naming the paths, the loader's message and the remedy.
 */
export function loadAddonFrom(paths: readonly string[]): Addon {
  const path = paths.find((candidate) => existsSync(candidate));
  if (path === undefined) {
    throw new PrerankError(
      'ADDON_NOT_BUILT',
      `the native core is not built (looked for ${paths.join(' and ')}): run \`npm run build\` in the package's folder`,
    );
  }
  try {
    return require(path) as Addon;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new PrerankError(
      'ADDON_NOT_BUILT',
      `the native core does not load (${path}): ${message}\nRemedy: ${remedyFor(message)}`,
      { file: path },
      { cause: error },
    );
  }
}

/** The addon, from the package's build folder. Works in worker threads too. */
export function loadAddon(): Addon {
  const root = packageRoot();
  return loadAddonFrom(BUILD_PATHS.map((path) => join(root, path)));
}
