/**
 * Sets up everything from nothing: system packages, node_modules, native build, TypeScript build.
 * Steps that do not need each other run at the same time; one that is up to date is skipped.  node scripts/setup.mjs [--tests]
 */
import { chmodSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeModulesUpToDate } from './lib/node-modules.mjs';
import { run } from './lib/process.mjs';
import { ROOT } from './lib/root.mjs';
import { installCommand, installPackages, missingPackages } from './lib/system.mjs';
import { buildTypeScript, LIBRARY } from './lib/typescript.mjs';

/** A failed step; `exitCode` 2 means that the user has to do something first. */
class SetupError extends Error {
  constructor(message, exitCode) {
    super(message);
    this.exitCode = exitCode;
  }
}

async function systemPackages({ tests }) {
  const missing = missingPackages({ tests });
  if (missing.length === 0) return 'present';
  const result = await installPackages(missing);
  if (result === 'not-allowed') {
    throw new SetupError(`missing system packages; install them and start again:\n  ${installCommand(missing)}`, 2);
  }
  const stillMissing = result === 'installed' ? missingPackages({ tests }) : missing;
  if (stillMissing.length > 0) {
    throw new SetupError(
      `apt could not provide: ${stillMissing.join(' ')}; by hand:\n  ${installCommand(stillMissing)}`,
      2,
    );
  }
  return `installed ${missing.join(' ')}`;
}

async function nodeModules() {
  if (nodeModulesUpToDate(ROOT)) return 'up to date';
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund'];
  if ((await run('npm', args, { cwd: ROOT, stdout: process.stderr })) !== 0) {
    throw new SetupError('npm ci failed (see above); the package registry must be reachable', 1);
  }
  return 'installed';
}

async function nativeBuild(options) {
  // Imported late: cmake-js and node-addon-api come with node_modules.
  const { buildNative } = await import('./native-build.mjs');
  const result = await buildNative(options);
  if (result === 'failed') throw new SetupError('the native build failed (compiler messages above)', 1);
  return result;
}

async function typeScriptBuild() {
  const result = await buildTypeScript(LIBRARY);
  if (result === 'failed') throw new SetupError('the TypeScript build failed (messages above)', 1);
  const command = join(ROOT, 'dist', 'cli', 'main.js');
  if (existsSync(command)) chmodSync(command, 0o755);
  return result;
}

/**
 * Runs a step and says on stderr what came of it.
 * @returns {Promise<void>} fails with SetupError
 */
async function runStep(name, step) {
  const start = performance.now();
  try {
    const outcome = await step();
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    process.stderr.write(`set-up: ${name.padEnd(24)} ${outcome} (${seconds} s)\n`);
  } catch (error) {
    if (error instanceof SetupError) process.stderr.write(`set-up: ${name}: ${error.message}\n`);
    throw error;
  }
}

/**
 * Runs all steps, one line each on stderr.
 * @param {{tests?: boolean, emulated?: boolean}} options tests: the C++ tests and what they need, too; emulated: those of the
 *   CUDA kernels on an emulated device
 * @returns {Promise<number>} 0, or the exit code of the step that failed
 */
export async function setup({ tests = false, emulated = false } = {}) {
  // apt, npm and the TypeScript compiler do not wait for each other; the native build needs what apt and npm bring.
  const packages = runStep('system packages', () => systemPackages({ tests }));
  const scripts = (async () => {
    await runStep('node_modules', nodeModules);
    await runStep('TypeScript build', typeScriptBuild);
  })();
  const outcomes = await Promise.allSettled([packages, scripts]);
  try {
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    await runStep(tests ? 'native build with tests' : 'native build', () => nativeBuild({ tests, emulated }));
    return 0;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    return error.exitCode;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = await setup({ tests: process.argv.includes('--tests') });
}
