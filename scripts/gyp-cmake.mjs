/**
 * What binding.gyp runs: builds the addon with cmake-js in build-cmake/ (gyp owns build/) and copies it where gyp wants it.
 *   node scripts/gyp-cmake.mjs PRODUCT_DIR
 */
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './lib/root.mjs';
import { addonPath, cmakeBuild } from './native-build.mjs';

// gyp runs this under make; its job server and flags are not meant for the inner build.
for (const name of ['MAKEFLAGS', 'MAKELEVEL', 'MFLAGS']) delete process.env[name];

const productDir = process.argv[2];
if (productDir === undefined) {
  process.stderr.write('usage: node scripts/gyp-cmake.mjs PRODUCT_DIR\n');
  process.exit(2);
}
const buildFolder = join(ROOT, 'build-cmake');
const built = (await cmakeBuild(buildFolder, { tests: false })) ? addonPath(buildFolder) : undefined;
if (built === undefined) {
  process.stderr.write('gyp-cmake: the native build failed (messages above)\n');
  process.exit(1);
}
mkdirSync(productDir, { recursive: true });
copyFileSync(built, join(productDir, 'prerank.node'));
