/** What the comparisons of steps with PyTorch share: the process that runs PyTorch, our own timed steps, and the ratios. */
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { roundRatio, summarize } from '../../dist/bench/statistics.js';
import { createStepLoader } from '../../dist/bench/stepper.js';

export const OURS = 'prerank';

/** Untimed steps before each measurement: what one side's loader did while the other ran does not count. */
export const WARM_UP = 3;

/** The PyTorch process: one command a line, one answer a line; what it says first is `description`. */
export class Peer {
  /** @param script beside this file; `env`: variables besides this process's; `more`: arguments after folder and threads. */
  static async start(script, { python, threads, env = {}, more = [] }, folder) {
    const path = join(dirname(fileURLToPath(import.meta.url)), script);
    const child = spawn(python, ['-W', 'ignore', path, folder, String(threads), ...more], {
      env: { ...process.env, ...env, OMP_NUM_THREADS: String(threads) },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const peer = new Peer(child, createInterface({ input: child.stdout })[Symbol.asyncIterator]());
    peer.description = await peer.answer();
    return peer;
  }

  constructor(child, lines) {
    this.child = child;
    this.lines = lines;
  }

  async answer() {
    const { value, done } = await this.lines.next();
    if (done) throw new Error('PyTorch ended; what it said is above');
    return JSON.parse(value);
  }

  ask(command) {
    this.child.stdin.write(`${JSON.stringify(command)}\n`);
    return this.answer();
  }

  stop() {
    this.child.stdin.end();
  }
}

/** Seconds of our steps. With `loading` false every batch is assembled and sorted before the clock starts. */
export async function timeOurs(addon, problem, stepper, { threads, seed, steps, loading = false, warmUp = WARM_UP }) {
  const total = warmUp + steps;
  const prefetch = loading ? undefined : total;
  const loader = createStepLoader(addon, problem, { threads, seed, steps: total, prefetch });
  try {
    while (!loading && loader.stats().assembled < total) await new Promise((resolve) => setTimeout(resolve, 10));
    await stepper.run(loader, warmUp);
    return (await stepper.run(loader, steps)).seconds;
  } finally {
    loader.close();
  }
}

/**
 * Of every side, by name and in turn: its times by round → the summary over all steps, each round's median, and our speed over the side's.
 */
export function compareSides(sides, batch) {
  const medians = Object.fromEntries(
    Object.entries(sides).map(([name, rounds]) => [name, rounds.map((seconds) => summarize(seconds).p50)]),
  );
  return Object.entries(sides).map(([name, rounds]) => {
    const seconds = summarize(rounds.flat());
    return {
      name,
      seconds,
      samplesPerSecond: batch / seconds.p50,
      roundMedians: medians[name],
      ...roundRatio(medians[name], medians[OURS]),
    };
  });
}
