/** Mocha in several processes: each takes the next test file when it is through with one. */
import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { exitStatus } from './process.mjs';
import { ROOT } from './root.mjs';

/** Stands on stdout between the output of two files; no test prints it. */
export const END_OF_FILE = '\u0000end of file\u0000\n';

/** Prints whole files' output, so that those of several processes do not mix. */
class FileOutput {
  #pending = '';

  add(text) {
    this.#pending += text;
    const end = this.#pending.lastIndexOf(END_OF_FILE);
    if (end < 0) return;
    process.stdout.write(this.#pending.slice(0, end).replaceAll(END_OF_FILE, ''));
    this.#pending = this.#pending.slice(end + END_OF_FILE.length);
  }

  flush() {
    process.stdout.write(this.#pending);
    this.#pending = '';
  }
}

/**
 * Runs files from `queue` in one process until the queue is empty or the process ends; `results` gets what they report.
 * @returns {Promise<boolean>} whether it has taken a file
 */
function runWorker(queue, results, timeout) {
  const child = fork(join(ROOT, 'scripts', 'lib', 'mocha-worker.mjs'), [String(timeout)], {
    cwd: ROOT,
    execArgv: [],
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  const output = new FileOutput();
  child.stdout.setEncoding('utf8').on('data', (text) => output.add(text));
  let file;
  let started = false;
  child.on('message', ({ result, name, reason }) => {
    if (result === 'passed') results.passed += 1;
    else if (result === 'failed') results.failed.push(name);
    else if (result === 'skipped') results.skipped.push({ name, reason });
    else {
      file = queue.shift();
      started ||= file !== undefined;
      child.send(file ?? null);
    }
  });
  child.on('error', (error) => process.stderr.write(`mocha: ${error.message}\n`));
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      output.flush();
      const status = exitStatus(code, signal);
      if (file !== undefined) {
        results.failed.push(`${relative(ROOT, file)}: its process ended with status ${status}`);
      } else if (status !== 0) {
        results.failed.push(`mocha ended with status ${status} after its last file`);
      }
      resolve(started);
    });
  });
}

/**
 * Runs test files in as many processes as there are cores, started in the order given. A process that dies takes one
 * file with it: what that file has reported counts, the end is one failure, and another process takes the rest.
 * @param {string[]} files absolute paths
 * @param {{timeout: number, workers?: number}} options timeout: of a test, in milliseconds
 * @returns {Promise<import('./runners.mjs').Results>}
 */
export async function runTestFiles(files, { timeout, workers = availableParallelism() }) {
  const queue = [...files];
  const results = { passed: 0, failed: [], skipped: [] };
  const work = async () => {
    while (queue.length > 0 && (await runWorker(queue, results, timeout)));
  };
  await Promise.all(Array.from({ length: Math.min(workers, files.length) }, work));
  for (const file of queue) results.failed.push(`${relative(ROOT, file)}: not run`);
  return results;
}
