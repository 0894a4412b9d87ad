/**
 * Registers, shared memory and spills of every CUDA kernel, as the assembler reports them (`-Xptxas -v`). Needs nvcc, no GPU.
 *
 * Usage: node bench/kernel-resources.mjs [--architecture sm_90] [--json] [FILE.cu ...]
 *
 * Kernels of libraries (the radix sort of CUB) are left out. Instances of a template share a line with the range of their figures;
 * those that spill follow, and `--json` lists each.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { cudaBuild } from '../scripts/lib/cuda.mjs';
import { ROOT } from '../scripts/lib/root.mjs';
import { markdownTable } from './markdown.mjs';

/** Where the headers of cuBLASLt are. */
function cublasIncludes() {
  const build = cudaBuild();
  if ('missing' in build) throw new Error(build.missing);
  return build.options.find((option) => option.startsWith('CUBLASLT_INCLUDE_DIR=')).split('=')[1];
}

const FOLDER = join(ROOT, 'native', 'cuda');

/** What the assembler says, having compiled a file as the build does (CMakeLists.txt, CMAKE_CUDA_FLAGS_RELEASE). */
function assemblerReport(file, { architecture, cublas, scratch }) {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const { status, stderr } = spawnSync(
    'nvcc',
    [
      '-std=c++20',
      '-O3',
      '-DNDEBUG',
      `-DPRERANK_VERSION="${version}"`,
      `-arch=${architecture}`,
      '--expt-relaxed-constexpr',
      '-Xptxas=-v',
      ...[join(ROOT, 'native'), join(ROOT, 'native', 'include'), cublas].map((folder) => `-I${folder}`),
      '-cubin',
      join(FOLDER, file),
      '-o',
      join(scratch, 'kernel.cubin'),
    ],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`nvcc failed on ${file}:\n${stderr}`);
  return stderr;
}

function demangle(names) {
  return execFileSync('c++filt', { input: names.join('\n'), encoding: 'utf8' })
    .trimEnd()
    .split('\n');
}

/** `void prerank::cuda::(anonymous namespace)::f<int>(float*)` → `f<int>`; undefined for a library's kernel. */
function shortName(name) {
  const inner = /^(?:void )?prerank::cuda::(?:(?:_GLOBAL__N_\w*|\(anonymous namespace\))::)?(.*)$/s.exec(name)?.[1];
  if (inner === undefined) return undefined;
  const plain = inner.replaceAll(/prerank::(?:cuda::)?(?:(?:_GLOBAL__N_\w*|\(anonymous namespace\))::)?/g, '');
  let depth = 0;
  for (let i = 0; i < plain.length; i += 1) {
    if (plain[i] === '<') depth += 1;
    if (plain[i] === '>') depth -= 1;
    if (plain[i] === '(' && depth === 0) return plain.slice(0, i);
  }
  return plain;
}

const ENTRY =
  /Compiling entry function '(\w+)'[\s\S]*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads\s*ptxas info\s*: Used (\d+) registers([^\n]*)/g;

/** One entry a kernel of the file: name, registers, shared memory, stack and spills in bytes. */
function kernelsOf(file, build) {
  const found = [...assemblerReport(file, build).matchAll(ENTRY)];
  if (found.length === 0) return [];
  const names = demangle(found.map(([, mangled]) => mangled));
  return found.flatMap(([, , stack, stores, loads, registers, rest], i) => {
    const name = shortName(names[i]);
    if (name === undefined) return [];
    return [
      {
        file,
        name,
        registers: Number(registers),
        shared: Number(/(\d+) bytes smem/.exec(rest)?.[1] ?? 0),
        stack: Number(stack),
        spills: Number(stores) + Number(loads),
      },
    ];
  });
}

/** `low–high`, or the one value that all have. */
function range(numbers) {
  const low = Math.min(...numbers);
  const high = Math.max(...numbers);
  return low === high ? `${low}` : `${low}–${high}`;
}

/** A line for each template of a file. */
function resourcesTable(kernels) {
  const groups = new Map();
  for (const kernel of kernels) {
    const key = `${basename(kernel.file, '.cu')} ${kernel.name.replace(/<.*$/s, '')}`;
    groups.set(key, [...(groups.get(key) ?? []), kernel]);
  }
  const rows = [...groups].map(([key, group]) => {
    const [file, template] = key.split(' ');
    const ranges = ['registers', 'shared', 'stack', 'spills'].map((field) => range(group.map((one) => one[field])));
    return [`\`${file}\``, `\`${template}\``, group.length, ...ranges];
  });
  return markdownTable(['file', 'kernel', 'instances', 'registers', 'shared, B', 'stack, B', 'spills, B'], rows);
}

/** The instances that keep values in local memory for want of registers. */
function spillsTable(kernels) {
  const spilling = kernels.filter(({ spills }) => spills > 0);
  if (spilling.length === 0) return 'None of them spills.';
  const rows = spilling.map(({ name, registers, stack, spills }) => [`\`${name}\``, registers, stack, spills]);
  return markdownTable(['instance', 'registers', 'stack, B', 'spills, B'], rows);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { architecture: { type: 'string', default: 'sm_90' }, json: { type: 'boolean', default: false } },
});
const files =
  positionals.length > 0
    ? positionals
    : readdirSync(FOLDER)
        .filter((name) => name.endsWith('.cu'))
        .sort();
const cublas = cublasIncludes();
const scratch = mkdtempSync(join(tmpdir(), 'prerank-cubin-'));
try {
  const kernels = files.flatMap((file) => kernelsOf(file, { architecture: values.architecture, cublas, scratch }));
  const text = () => [resourcesTable(kernels), spillsTable(kernels)].join('\n\n');
  process.stdout.write(`${values.json ? JSON.stringify(kernels, null, 2) : text()}\n`);
} finally {
  rmSync(scratch, { recursive: true });
}
