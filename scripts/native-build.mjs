/**
 * Builds the native addon (and, with --tests, the C++ tests; with --cuda, the CUDA library) with cmake-js in Node-API mode
 * into build/. Skipped while build/ holds the result of the same sources, options and compiler. Where an NVIDIA driver and
 * what the CUDA library needs are installed, it is built without being asked for.
 * --emulated adds the CUDA kernels for the emulated device of the tests.
 *   node scripts/native-build.mjs [--tests] [--emulated] [--cuda]
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cudaBuild, hasNvidiaDriver } from './lib/cuda.mjs';
import { capture, run } from './lib/process.mjs';
import { ROOT } from './lib/root.mjs';
import { filesUnder, hashFiles, isStamped, writeStamp } from './lib/stamp.mjs';

const require = createRequire(import.meta.url);

/** Where cmake-js puts the addon inside a build folder. */
export function addonPath(buildFolder = join(ROOT, 'build')) {
  const candidates = [join(buildFolder, 'Release', 'prerank.node'), join(buildFolder, 'prerank.node')];
  return candidates.find((path) => existsSync(path));
}

/** A C++ test program of a build: prerank_tests, or prerank_cuda_tests with the emulated device. */
export function testProgram(name = 'prerank_tests') {
  const candidates = [join(ROOT, 'build', name), join(ROOT, 'build', 'Release', name)];
  return candidates.find((path) => existsSync(path));
}

/** The CUDA library of a build with it; the addon looks for it beside itself. */
export function cudaLibrary() {
  const path = join(ROOT, 'build', 'Release', 'libprerank_cuda.so');
  return existsSync(path) ? path : undefined;
}

function sourcesHash({ tests, options }) {
  const native = join(ROOT, 'native');
  const files = filesUnder(native, (path) => !tests && path === join(native, 'test'));
  return hashFiles(
    ROOT,
    [join(ROOT, 'CMakeLists.txt'), ...files],
    [capture('c++', ['--version']).stdout, require('node-addon-api/package.json').version, ...options],
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
 * @param {{tests: boolean, options?: string[]}} options `options`: NAME=value for CMake
 * @returns {Promise<boolean>} whether both succeeded
 */
export async function cmakeBuild(buildFolder, { tests, options: more = [] }) {
  removeForeignCache(buildFolder);
  mkdirSync(buildFolder, { recursive: true });
  const common = ['-d', ROOT, '-O', buildFolder, '-G', generator(buildFolder), '-B', 'Release', '-l', 'warn'];
  const options = [
    `--CDPRERANK_TESTS=${tests ? 'ON' : 'OFF'}`,
    `--CDPRERANK_UNITY=${process.env.PRERANK_UNITY ?? 'ON'}`,
    ...more.map((option) => `--CD${option}`),
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
/**
 * The options that add the CUDA library.
 * @param {boolean} asked whether to say so when it cannot be built
 * @returns {string[] | undefined} undefined: it was asked for and cannot be built
 */
function cudaOptions(asked) {
  if (!asked && !hasNvidiaDriver()) return [];
  const build = cudaBuild();
  if ('options' in build) return build.options;
  process.stderr.write(`the CUDA library is not built: ${build.missing}\n`);
  return asked ? undefined : [];
}

/**
 * @param {{tests?: boolean, emulated?: boolean, cuda?: boolean}} options
 * @returns {Promise<'up to date' | 'built' | 'failed'>}
 */
export async function buildNative({ tests = false, emulated = false, cuda = false } = {}) {
  const buildFolder = join(ROOT, 'build');
  const stamp = join(buildFolder, tests ? '.stamp-tests' : '.stamp-addon');
  const device = cudaOptions(cuda);
  if (device === undefined) return 'failed';
  const options = emulated ? ['PRERANK_EMULATED=ON', ...device] : device;
  const hash = sourcesHash({ tests, options });
  const complete = () =>
    addonPath() !== undefined &&
    (!tests || testProgram() !== undefined) &&
    (!emulated || testProgram('prerank_cuda_tests') !== undefined) &&
    (device.length === 0 || cudaLibrary() !== undefined);
  if (complete() && isStamped(stamp, hash)) return 'up to date';
  if (!(await cmakeBuild(buildFolder, { tests, options })) || !complete()) return 'failed';
  writeStamp(stamp, hash);
  if (tests) writeStamp(join(buildFolder, '.stamp-addon'), sourcesHash({ tests: false, options }));
  return 'built';
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const result = await buildNative({
    tests: process.argv.includes('--tests'),
    emulated: process.argv.includes('--emulated'),
    cuda: process.argv.includes('--cuda'),
  });
  process.stderr.write(`native build: ${result}\n`);
  process.exitCode = result === 'failed' ? 1 : 0;
}
