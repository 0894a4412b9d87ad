/** Child processes for the set-up scripts. */
import { spawn, spawnSync } from 'node:child_process';

/**
 * Runs a command to its end with its output on this terminal.
 * @returns {Promise<number>} the exit status; 128 + signal number when a signal ended it, 127 when it could not start
 */
export function run(command, args, { cwd, env, stdout = 'inherit' } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env: env ?? process.env, stdio: ['ignore', stdout, 'inherit'] });
    child.on('error', (error) => {
      process.stderr.write(`${command}: ${error.message}\n`);
      resolve(127);
    });
    child.on('close', (code, signal) => resolve(exitStatus(code, signal)));
  });
}

/** Runs a command silently. @returns {{status: number, stdout: string, output: string}} `output` holds stdout and stderr */
export function capture(command, args, { cwd, env, input } = {}) {
  const result = spawnSync(command, args, {
    cwd,
    env: env ?? process.env,
    input,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (result.error) return { status: 127, stdout: '', output: result.error.message };
  return {
    status: result.status ?? 128 + signalNumber(result.signal),
    stdout: result.stdout,
    output: result.stdout + result.stderr,
  };
}

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGABRT: 6, SIGBUS: 7, SIGFPE: 8, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 };

/** What a shell would call a process's end: its exit code, or 128 + the number of the signal that ended it. */
export function exitStatus(code, signal) {
  return signal === null ? (code ?? 1) : 128 + signalNumber(signal);
}

function signalNumber(signal) {
  return SIGNALS[signal] ?? 1;
}
