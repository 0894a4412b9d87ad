/**
 * Instructions that training takes for a sample of a reference step, counted by callgrind: a figure that other work on the machine does
 * not change. Counted is what happens in steps of the core, neither loading nor JavaScript; with AVX2, since valgrind knows no AVX-512.
 *
 * Usage: node bench/instructions.mjs [--config two-tower-d] [--batch 512] [--steps 2] [--json]      needs valgrind
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { referenceStep } from '../dist/bench/reference-steps.js';
import { referenceProblem } from '../dist/bench/step-problem.js';
import { createStepLoader, createStepProgram, Stepper } from '../dist/bench/stepper.js';
import { loadAddon } from '../dist/runtime/load.js';

const { values } = parseArgs({
  options: {
    config: { type: 'string', default: 'two-tower-d' },
    batch: { type: 'string', default: '512' },
    steps: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
    counted: { type: 'boolean', default: false },
  },
});
const [batch, steps] = [Number(values.batch), Number(values.steps)];

/** What runs under valgrind. */
async function train() {
  const addon = loadAddon();
  const problem = referenceProblem(addon, referenceStep(values.config), { batch, seed: 1, batches: 1 });
  process.stdout.write('ready\n');
  await once(process.stdin, 'data');
  const loader = createStepLoader(addon, problem, { threads: 1, seed: 1, steps });
  await new Stepper(createStepProgram(addon, problem, { threads: 1, seed: 1 }), problem).run(loader, steps);
  loader.close();
  process.stdin.destroy();
}

/** Instructions are looked at only once the parameters are drawn, which would take minutes otherwise. */
async function count() {
  const folder = mkdtempSync(join(tmpdir(), 'prerank-instructions-'));
  try {
    const file = join(folder, 'callgrind.out');
    const valgrind = [
      '--tool=callgrind',
      '--instr-atstart=no',
      '--toggle-collect=*CpuProgram::start*',
      `--callgrind-out-file=${file}`,
    ];
    const self = [fileURLToPath(import.meta.url), '--counted', '--config', values.config, '--batch', `${batch}`];
    const child = spawn('valgrind', [...valgrind, process.execPath, ...self, '--steps', `${steps}`], {
      env: { ...process.env, PRERANK_ISA: 'avx2' },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const ended = once(child, 'close');
    await Promise.race([once(child.stdout, 'data'), ended]);
    const control = spawnSync('callgrind_control', ['-i', 'on', `${child.pid}`], { encoding: 'utf8' });
    if (control.status !== 0) throw new Error(`callgrind_control failed: ${control.error?.message ?? control.stderr}`);
    child.stdin.end('go\n');
    const [status] = await ended;
    if (status !== 0) throw new Error(`the training under valgrind ended with ${status}`);
    const totals = /^(?:totals|summary): (\d+)/m.exec(readFileSync(file, 'utf8'));
    if (totals === null || totals[1] === '0') throw new Error('callgrind saw no step');
    return Number(totals[1]) / (batch * steps);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (values.counted) {
  await train();
} else {
  const instructionsPerSample = await count();
  const result = { bench: 'instructions', config: values.config, batch, steps, isa: 'avx2', instructionsPerSample };
  process.stdout.write(
    values.json
      ? `${JSON.stringify(result, null, 2)}\n`
      : `${values.config}: ${Math.round(instructionsPerSample)} instructions a sample (AVX2, ${steps} steps of ${batch} rows)\n`,
  );
}
