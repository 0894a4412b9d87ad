/** What a result needs beside it to be believed: versions, machine, settings, source. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { loadavg, totalmem } from 'node:os';
import { packageRoot } from '../runtime/load.js';
import type { Addon } from '../runtime/native.js';

export interface Environment {
  /** ISO 8601. */
  readonly date: string;
  readonly versions: {
    readonly prerank: string;
    readonly node: string;
    readonly compiler: string;
  };
  readonly cpu: string;
  /** The loops that run: PRERANK_ISA caps them. */
  readonly isa: string;
  /** Cores that the process may use, after pinning. */
  readonly cores: readonly number[];
  readonly memoryBytes: number;
  readonly hugePages: string;
  /** Environment variables that change results, where set. */
  readonly flags: Readonly<Record<string, string>>;
  /** Runnable processes, one-minute average, when the measurement began: above the pinned cores it was disturbed. */
  readonly load: number;
  /** Of the sources, "+" when they were changed since; null without git. */
  readonly commit: string | null;
}

const FLAGS = ['PRERANK_ISA', 'NODE_OPTIONS', 'OMP_NUM_THREADS', 'MALLOC_ARENA_MAX', 'UV_THREADPOOL_SIZE'];

export function describeEnvironment(addon: Addon): Environment {
  const { version, cpu, isa, compiler } = addon.info();
  const flags = FLAGS.flatMap((name): [string, string][] => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  });
  return {
    date: new Date().toISOString(),
    versions: { prerank: version, node: process.version, compiler },
    cpu,
    isa,
    cores: addon.bench.allowedCores(),
    memoryBytes: totalmem(),
    hugePages: hugePages(),
    flags: Object.fromEntries(flags),
    load: loadavg()[0] ?? 0,
    commit: commit(),
  };
}

function hugePages(): string {
  try {
    const text = readFileSync('/sys/kernel/mm/transparent_hugepage/enabled', 'utf8');
    return /\[(\w+)\]/.exec(text)?.[1] ?? 'unknown';
  } catch {
    return 'unknown';
  }
}

function git(...args: string[]): string {
  return execFileSync('git', args, {
    cwd: packageRoot(),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim();
}

function commit(): string | null {
  try {
    const changed = git('status', '--porcelain', '--untracked-files=no') !== '';
    return `${git('rev-parse', '--short=12', 'HEAD')}${changed ? '+' : ''}`;
  } catch {
    return null;
  }
}

/**
 * Pins the process to the last `count` of the cores it may use: the first one serves interrupts.
 * Does nothing where there are no more cores than that, or no affinity.
 */
export function pinToCores(addon: Addon, count: number): void {
  const allowed = addon.bench.allowedCores();
  if (allowed.length > count) addon.bench.pin(allowed.slice(-count));
}
