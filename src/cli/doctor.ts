/** `prerank doctor`: what this machine has, what is missing, and what to do about it. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Command } from 'commander';
import { loadAddon } from '../runtime/load.js';
import type { CudaReport } from '../runtime/native.js';
import { formatTable } from '../train/evaluation-result.js';
import { type CommonOptions, EXIT, printResult } from './output.js';

interface Check {
  readonly name: string;
  /** missing: prerank does not work without it; absent: it works. */
  readonly state: 'ok' | 'absent' | 'missing';
  readonly found: string;
  /** What to do, or why nothing is to be done. */
  readonly remedy?: string;
}

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('say what this machine has, what is missing and what to do about it')
    .action(runDoctor);
}

async function runDoctor(options: CommonOptions): Promise<void> {
  const checks = [checkNode(), ...checkAddon(), await checkDuckdb(), checkTfjs(), checkHugePages()];
  const ok = checks.every(({ state }) => state !== 'missing');
  printResult(options, { ok, checks }, () => formatChecks(checks));
  if (!ok) {
    process.exitCode = EXIT.failure;
  }
}

function formatChecks(checks: readonly Check[]): string {
  const rows = checks.map(({ state, name, found }) => [state, name, found.split('\n')[0] ?? '']);
  const remedies = checks.flatMap(({ name, remedy }) => (remedy === undefined ? [] : [`${name}: ${remedy}`]));
  const lines = formatTable(['', 'part', 'found'], rows);
  return remedies.length === 0 ? lines.join('\n') : [...lines, '', ...remedies].join('\n');
}

const MIN_NODE = [20, 19] as const;

function checkNode(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const ok = major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1]);
  const name = 'Node.js';
  const found = `${process.version} on ${process.platform} ${process.arch}`;
  return ok
    ? { name, state: 'ok', found }
    : { name, state: 'missing', found, remedy: `install ${MIN_NODE.join('.')} or later` };
}

function checkAddon(): Check[] {
  try {
    const { version, isa, cpu, cores, compiler, kernels } = loadAddon().info();
    return [
      { name: 'native core', state: 'ok', found: `${version}, ${kernels.length} operations, built by ${compiler}` },
      { name: 'processor', state: 'ok', found: `${cpu}, ${cores} cores, instruction set ${isa}` },
      checkCuda(loadAddon().cuda()),
    ];
  } catch (error) {
    return [{ name: 'native core', state: 'missing', found: 'does not load', remedy: (error as Error).message }];
  }
}

function checkCuda({ devices, cublas, missing }: CudaReport): Check {
  const name = 'CUDA';
  if (missing !== undefined) {
    return { name, state: 'absent', found: 'no GPU can be used', remedy: `${missing}. Training runs on the CPU` };
  }
  const found = devices.map(
    ({ number, name: model, computeCapability, bytes, freeBytes }) =>
      `cuda:${number} ${model}, compute capability ${computeCapability}, ${mebibytes(freeBytes)} of ${mebibytes(bytes)} MiB free`,
  );
  return { name, state: 'ok', found: `${found.join('; ')}; cuBLASLt ${cublas}` };
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}

async function checkDuckdb(): Promise<Check> {
  const name = 'DuckDB';
  try {
    const { DuckDBInstance } = await import('@duckdb/node-api');
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    const rows = (await connection.runAndReadAll('SELECT version()')).getRows();
    connection.closeSync();
    instance.closeSync();
    return { name, state: 'ok', found: String(rows[0]?.[0]) };
  } catch (error) {
    const remedy = 'install the package again (`npm ci`), with optional dependencies';
    return { name, state: 'missing', found: (error as Error).message, remedy };
  }
}

const TFJS = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node', '@tensorflow/tfjs'] as const;

function checkTfjs(): Check {
  const { resolve } = createRequire(import.meta.url);
  const found = TFJS.filter((name) => {
    try {
      return resolve(`${name}/package.json`) !== '';
    } catch {
      return false;
    }
  });
  if (found.length > 0) {
    return { name: 'tfjs', state: 'ok', found: found.join(', ') };
  }
  const remedy = 'optional: `npm install @tensorflow/tfjs` to run plans on tfjs';
  return { name: 'tfjs', state: 'absent', found: 'none', remedy };
}

function checkHugePages(): Check {
  const name = 'huge pages';
  try {
    const text = readFileSync('/sys/kernel/mm/transparent_hugepage/enabled', 'utf8');
    const mode = /\[(\w+)\]/.exec(text)?.[1] ?? 'unknown';
    if (mode !== 'never') {
      return { name, state: 'ok', found: mode };
    }
    const remedy = 'faster large tables: `echo madvise > /sys/kernel/mm/transparent_hugepage/enabled` as root';
    return { name, state: 'absent', found: mode, remedy };
  } catch {
    return { name, state: 'absent', found: 'unknown', remedy: 'the kernel does not say; nothing needs to be done' };
  }
}
