/**
 * Builds the native addon (and, with --tests, the C++ tests) with cmake-js in Node-API mode into build/.
 * Skipped while build/ holds the result of the same sources, options and compiler.
 *   node scripts/native-build.mjs [--tests]
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { capture, run } from './lib/process.mjs';
import { ROOT } from './lib/root.mjs';
import { filesUnder, hashFiles, isStamped, writeStamp } from './lib/stamp.mjs';

const require = createRequire(import.meta.url);

/** Where cmake-js puts the addon inside a build folder. */
export function addonPath(buildFolder = join(ROOT, 'build')) {
  const candidates = [join(buildFolder, 'Release', 'prerank.node'), join(buildFolder, 'prerank.node')];
  return candidates.find((path) => existsSync(path));
}

/** The C++ test program of a build with tests. */
export function testProgram() {
  const candidates = [join(ROOT, 'build', 'prerank_tests'), join(ROOT, 'build', 'Release', 'prerank_tests')];
  return candidates.find((path) => existsSync(path));
}

function sourcesHash({ tests }) {
  const native = join(ROOT, 'native');
  const files = filesUnder(native, (path) => !tests && path === join(native, 'test'));
  return hashFiles(
    ROOT,
    [join(ROOT, 'CMakeLists.txt'), ...files],
    [capture('c++', ['--version']).stdout, require('node-addon-api/package.json').version],
  );
}

/** A CMake cache made in another place is useless here, and CMake refuses it. */
function removeForeignCache(buildFolder) {
  const cache = join(buildFolder, 'CMakeCache.txt');
  if (!existsSync(cache)) return;
  const home = /^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$/m.exec(readFileSync(cache, 'utf8'))?.[1];
  if (home === undefined || resolve(home) !== ROOT) rmSync(buildFolder, { recursive: true, force: true });
}

/** The generator of an existing cache must be kept; a new one prefers ninja. */
function generator(buildFolder) {
  const cache = join(buildFolder, 'CMakeCache.txt');
  const cached = existsSync(cache)
    ? /^CMAKE_GENERATOR:INTERNAL=(.*)$/m.exec(readFileSync(cache, 'utf8'))?.[1]
    : undefined;
  return cached ?? (capture('ninja', ['--version']).status === 0 ? 'Ninja' : 'Unix Makefiles');
}

/**
 * Configures and builds with cmake-js, without looking at stamps.
 * @param {string} buildFolder
 * @param {{tests: boolean}} options
 * @returns {Promise<boolean>} whether both succeeded
 */
export async function cmakeBuild(buildFolder, { tests }) {
  removeForeignCache(buildFolder);
  mkdirSync(buildFolder, { recursive: true });
  const common = ['-d', ROOT, '-O', buildFolder, '-G', generator(buildFolder), '-B', 'Release', '-l', 'warn'];
  const options = [
    `--CDPRERANK_TESTS=${tests ? 'ON' : 'OFF'}`,
    `--CDPRERANK_UNITY=${process.env.PRERANK_UNITY ?? 'ON'}`,
  ];
  const cmakeJs = require.resolve('cmake-js/bin/cmake-js');
  const parallel = ['-p', String(availableParallelism())];
  for (const args of [
    ['configure', ...common, ...options],
    ['build', ...common, ...options, ...parallel],
  ]) {
    if ((await run(process.execPath, [cmakeJs, ...args], { cwd: ROOT, stdout: process.stderr })) !== 0) return false;
  }
  return true;
}

/**
 * @param {{tests?: boolean}} options
 * @returns {Promise<'up to date' | 'built' | 'failed'>}
 */
export async function buildNative({ tests = false } = {}) {
  const buildFolder = join(ROOT, 'build');
  const stamp = join(buildFolder, tests ? '.stamp-tests' : '.stamp-addon');
  const hash = sourcesHash({ tests });
  const complete = () => addonPath() !== undefined && (!tests || testProgram() !== undefined);
  if (complete() && isStamped(stamp, hash)) return 'up to date';
  if (!(await cmakeBuild(buildFolder, { tests })) || !complete()) return 'failed';
  writeStamp(stamp, hash);
  if (tests) writeStamp(join(buildFolder, '.stamp-addon'), sourcesHash({ tests: false }));
  return 'built';
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const result = await buildNative({ tests: process.argv.includes('--tests') });
  process.stderr.write(`native build: ${result}\n`);
  process.exitCode = result === 'failed' ? 1 : 0;
}
