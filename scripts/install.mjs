/**
 * npm's install script: builds the addon for whoever installs the package.
 * Does nothing when a working addon is there already or PRERANK_SKIP_BUILD is set.
 */
import { createRequire } from 'node:module';
import { installCommand, missingPackages } from './lib/system.mjs';
import { addonPath, buildNative } from './native-build.mjs';

function worksAlready() {
  const path = addonPath();
  if (path === undefined) return false;
  try {
    createRequire(import.meta.url)(path);
    return true;
  } catch {
    return false;
  }
}

async function install() {
  if (process.env.PRERANK_SKIP_BUILD) return 0;
  if (worksAlready()) return 0;
  const missing = missingPackages({ tests: false });
  if (missing.length > 0) {
    process.stderr.write(
      `prerank builds its native core on installation and misses system packages for it:\n  ${installCommand(missing)}\n` +
        'then install prerank again. (PRERANK_SKIP_BUILD=1 installs without the native core.)\n',
    );
    return 1;
  }
  if ((await buildNative()) === 'failed') {
    process.stderr.write(
      'prerank: the native build failed (compiler messages above). It needs g++ 11 or newer, CMake 3.25 or newer, LZ4 and Zstandard.\n' +
        'PRERANK_SKIP_BUILD=1 installs without the native core; `npm rebuild prerank` builds it later.\n',
    );
    return 1;
  }
  return 0;
}

process.exitCode = await install();
