/** System packages the build needs: found by trying them, installed through apt where that is allowed. */
import { existsSync } from 'node:fs';
import { capture, run } from './process.mjs';

const MIN_CMAKE = [3, 25];

/**
 * What is needed: `package` is the Debian/Ubuntu name, `present` tries it.
 * @param {{tests: boolean}} options
 */
function requirements({ tests }) {
  return [
    { package: 'g++', present: () => succeeds('c++', ['--version']) },
    { package: 'cmake', present: hasCmake },
    { package: 'ninja-build', present: () => succeeds('ninja', ['--version']) || succeeds('make', ['--version']) },
    { package: 'liblz4-dev', present: () => hasHeader('lz4frame.h') },
    { package: 'libzstd-dev', present: () => hasHeader('zstd.h') },
    ...(tests ? [{ package: 'libgtest-dev', present: () => hasHeader('gtest/gtest.h') }] : []),
  ];
}

function succeeds(command, args) {
  return capture(command, args).status === 0;
}

function hasCmake() {
  const version = /version (\d+)\.(\d+)/.exec(capture('cmake', ['--version']).stdout);
  if (version === null) return false;
  const [major, minor] = [Number(version[1]), Number(version[2])];
  return major > MIN_CMAKE[0] || (major === MIN_CMAKE[0] && minor >= MIN_CMAKE[1]);
}

function hasHeader(header) {
  return capture('c++', ['-E', '-x', 'c++', '-'], { input: `#include <${header}>\n` }).status === 0;
}

/** Names of the packages that are missing. */
export function missingPackages(options) {
  return requirements(options)
    .filter((requirement) => !requirement.present())
    .map((requirement) => requirement.package);
}

/** What to type to get these packages. */
export function installCommand(packages) {
  return `sudo apt-get update && sudo apt-get install -y --no-install-recommends ${packages.join(' ')}`;
}

/**
 * Installs the packages through apt as root, or through sudo where it asks for no password.
 * @returns {Promise<'installed' | 'not-allowed' | 'failed'>}
 */
export async function installPackages(packages) {
  if (!existsSync('/usr/bin/apt-get')) return 'not-allowed';
  const isRoot = process.getuid?.() === 0;
  if (!isRoot && !succeeds('sudo', ['-n', 'true'])) return 'not-allowed';
  const prefix = isRoot ? [] : ['sudo', '-n', 'env', 'DEBIAN_FRONTEND=noninteractive'];
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [
    ['apt-get', 'update', '-qq'],
    ['apt-get', 'install', '-y', '-qq', '--no-install-recommends', ...packages],
  ]) {
    const [command, ...rest] = [...prefix, ...args];
    if ((await run(command, rest, { env, stdout: 'ignore' })) !== 0) return 'failed';
  }
  return 'installed';
}
