/** Runs on the emulated device, from the configuration to the files that they leave. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { evaluate, loadConfig, openRun, type TrainerCallback, type TrainSummary, train } from '../../src/index.js';
import { leaveEmulatedDevice, useEmulatedDevice } from '../support/emulated-device.js';
import { prerank, prerankWith, sampleConfig, writeLogs } from '../support/sample-run.js';

const SET = ['training.epochs=1', 'training.checkpointEverySteps=8'];
interface BalancedLine {
  readonly step: number;
  readonly balancing?: { readonly weights: Readonly<Record<string, number>> };
  readonly gradients?: { readonly cosine: Readonly<Record<string, number>> };
}

const GPU = [...SET, 'training.device=cuda:0'];

describe('training on the emulated device', () => {
  let folder: string;
  let cpu: TrainSummary;
  let gpu: TrainSummary;
  const config = (set: readonly string[]) => loadConfig(sampleConfig(folder), { set });
  const model = (run: string): Promise<Buffer> => readFile(join(folder, run, 'model', 'model.safetensors'));

  before(async function () {
    useEmulatedDevice(this);
    folder = await mkdtemp(join(tmpdir(), 'prerank-cuda-'));
    await writeLogs(folder);
    cpu = await train(config([...SET, 'training.device=cpu']), { out: join(folder, 'cpu') });
    gpu = await train(config(GPU), { out: join(folder, 'gpu') });
  });
  after(async () => {
    leaveEmulatedDevice();
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  it('ends with the metrics of the CPU', () => {
    for (const [task, metric] of [
      ['ctr', 'ne'],
      ['ctr', 'auc'],
      ['cqs', 'nmse'],
      ['replay', 'softRecall'],
    ] as const) {
      const [expected, got] = [cpu, gpu].map(({ metrics }) => metrics.eval?.[task]?.[metric] ?? Number.NaN);
      assert.ok(Math.abs(Number(expected) - Number(got)) < 1e-4, `${task}.${metric}: ${got}, ${expected} on the CPU`);
    }
  });

  it('names its device in checkpoints, and gives the same bytes again, interrupted and resumed', async () => {
    const state = JSON.parse(await readFile(join(folder, 'gpu', 'checkpoints', 'step-16', 'state.json'), 'utf8')) as {
      versions: { device: string };
    };
    assert.equal(state.versions.device, 'cuda:0');
    const out = join(folder, 'resumed');
    const abort = new AbortController();
    const interrupt: TrainerCallback = { onReport: ({ step }) => (step >= 16 ? abort.abort() : undefined) };
    const first = await train(config(GPU), { out, callbacks: [interrupt], signal: abort.signal });
    assert.equal(first.status, 'interrupted');
    await train(config(GPU), { out, resume: true });
    assert.deepEqual(await model('resumed'), await model('gpu'));
  });

  it('goes on on another device, with a word about it', async () => {
    const out = join(folder, 'moved');
    const abort = new AbortController();
    const interrupt: TrainerCallback = { onReport: ({ step }) => (step >= 16 ? abort.abort() : undefined) };
    await train(config(GPU), { out, callbacks: [interrupt], signal: abort.signal });
    const moved = await train(config([...SET, 'training.device=cpu']), { out, resume: true });
    const [expected, got] = [cpu, moved].map(({ metrics }) => metrics.eval?.ctr?.ne ?? Number.NaN);
    assert.ok(Math.abs(Number(expected) - Number(got)) < 1e-4, `${got}, ${expected} on the CPU`);
  });

  it('evaluates on the CPU, when told to, what it trained', async () => {
    const { status, stdout, stderr } = prerank('evaluate', join(folder, 'gpu'), '--device', 'cpu', '--json');
    assert.equal(status, 0, stderr);
    const { tasks } = JSON.parse(stdout) as { tasks: { ctr: { ne: number } } };
    assert.ok(Math.abs(tasks.ctr.ne - Number(gpu.metrics.eval?.ctr?.ne)) < 1e-5, stdout);
    const nowhere = { PRERANK_CUDA_LIBRARY: '/nowhere/libprerank_cuda.so' };
    const refused = prerankWith(nowhere, 'evaluate', join(folder, 'gpu'));
    assert.match(refused.stderr, /DEVICE_UNAVAILABLE.*cuda:0 cannot be used/);
    assert.equal(prerankWith(nowhere, 'evaluate', join(folder, 'gpu'), '--device', 'auto').status, 0);
    assert.equal(prerank('evaluate', join(folder, 'gpu'), '--device', 'gpu').status, 2);
  });

  it('evaluates what it trained', async () => {
    const run = await openRun(join(folder, 'gpu'));
    const { tasks, replay } = await evaluate(run);
    assert.deepEqual({ ...tasks, replay }, gpu.metrics.eval);
  });

  it('trains tables of 16 bits, and products in tf32 and bfloat16, to nearly the same', async () => {
    for (const set of ['tableType=bfloat16', 'tableType=float16', 'matmul=tf32', 'matmul=bfloat16']) {
      const { metrics } = await train(config([...GPU, `training.${set}`]), { out: join(folder, set) });
      const [expected, got] = [cpu.metrics, metrics].map(({ eval: set }) => set?.ctr?.ne ?? Number.NaN);
      assert.ok(Math.abs(Number(expected) - Number(got)) < 0.02, `${set}: ${got}, ${expected} on the CPU`);
    }
  });

  for (const kind of ['uncertainty', 'pcgrad', 'mgda']) {
    it(`weighs tasks by ${kind} to the metrics of the CPU, and shows their gradients`, async () => {
      const set = [...SET, `training.balancing={ kind: ${kind} }`, 'training.gradientCosines=8'];
      const lines: BalancedLine[][] = [];
      const values: number[] = [];
      for (const device of ['cpu', 'cuda:0']) {
        const out = join(folder, `${kind}-${device}`);
        const { metrics } = await train(config([...set, `training.device=${device}`]), { out });
        values.push(Number(metrics.eval?.ctr?.ne));
        const text = await readFile(join(out, 'metrics.jsonl'), 'utf8');
        const parsed = text
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as BalancedLine);
        lines.push(parsed.filter(({ gradients, balancing }) => gradients !== undefined || balancing !== undefined));
      }
      const [expected = Number.NaN, got = Number.NaN] = values;
      assert.ok(Math.abs(expected - got) < 2e-3, `${got}, ${expected} on the CPU`);
      const [wanted = [], found = []] = lines;
      assert.ok(found.some(({ gradients }) => gradients !== undefined));
      assert.equal(found.length, wanted.length);
      found.forEach(({ balancing, gradients, step }, i) => {
        for (const [task, weight] of Object.entries(balancing?.weights ?? {})) {
          const other = wanted[i]?.balancing?.weights[task] ?? Number.NaN;
          assert.ok(Math.abs(weight - other) < 0.02, `step ${step}: ${task} counts ${weight}, ${other} on the CPU`);
        }
        for (const [pair, cosine] of Object.entries(gradients?.cosine ?? {})) {
          const other = wanted[i]?.gradients?.cosine[pair] ?? Number.NaN;
          assert.ok(Math.abs(cosine - other) < 0.02, `step ${step}: ${pair} ${cosine}, ${other} on the CPU`);
        }
      });
    }).timeout(300_000);
  }

  it('shows the gradients of tasks with fixed weights without changing a bit of the training', async () => {
    await train(config([...GPU, 'training.gradientCosines=8']), { out: join(folder, 'shown') });
    assert.deepEqual(await model('shown'), await model('gpu'));
    assert.match(await readFile(join(folder, 'shown', 'metrics.jsonl'), 'utf8'), /"cosine":/);
  });

  it('stops where the CPU stops at a loss that is not finite, and says the same', async () => {
    const set = ['training.denseOptimizer={ kind: sgd, lr: 1.0e+30 }', 'training.checkpointEverySteps=1'];
    const failures: string[] = [];
    for (const device of ['cpu', 'cuda:0']) {
      const out = join(folder, `diverged-${device}`);
      await assert.rejects(
        train(config([...SET, ...set, `training.device=${device}`]), { out }),
        (error: Error & { code: string }) => {
          failures.push(`${error.code} ${error.message.replaceAll(out, 'OUT')}`);
          return true;
        },
      );
    }
    assert.match(failures[0] ?? '', /^NON_FINITE .*step \d+/);
    assert.equal(failures[1], failures[0]);
  });
});
