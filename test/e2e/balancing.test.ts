/** Runs that balance their tasks: what they report, that they repeat their bytes, and that they resume to them. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { evaluate, loadConfig, openRun, type TrainerCallback, train } from '../../src/index.js';
import { readLines, timeless } from '../support/metrics-lines.js';
import { sampleConfig, writeLogs } from '../support/sample-run.js';

interface Line {
  readonly step: number;
  readonly loss?: Readonly<Record<string, number>>;
  readonly gradients?: { readonly norm: Record<string, number>; readonly cosine: Record<string, number | null> };
  readonly balancing?: { readonly weights: Record<string, number>; readonly logVariances?: Record<string, number> };
}

describe('runs that balance their tasks', () => {
  let folder: string;
  const model = (path: string): Promise<Buffer> => readFile(join(path, 'model', 'model.safetensors'));
  const config = (...set: string[]) => loadConfig(sampleConfig(folder), { set: ['training.epochs=2', ...set] });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prerank-balancing-'));
    await writeLogs(folder);
  });
  after(() => rm(folder, { recursive: true }));

  for (const kind of ['uncertainty', 'pcgrad', 'mgda']) {
    it(`${kind}: learns, reports its weights, repeats its bytes and resumes to them`, async () => {
      const settings = [`training.balancing={ kind: ${kind} }`, 'training.gradientCosines=8'];
      const out = join(folder, kind);
      const summary = await train(config(...settings), { out });
      const lines = await readLines<Line>(out);
      const losses = lines.flatMap(({ loss }) => (loss === undefined ? [] : [loss]));
      assert.ok((losses.at(-1)?.cqs ?? 1) < 0.3 * (losses[0]?.cqs ?? 0), JSON.stringify(losses));
      const gradients = lines.filter((line) => line.gradients !== undefined);
      assert.deepEqual(
        gradients.map(({ step }) => step),
        Array.from({ length: 8 }, (_, i) => 8 * (i + 1)),
      );
      for (const { gradients: found } of gradients) {
        assert.deepEqual(Object.keys(found?.norm ?? {}), ['ctr', 'cqs', 'teacher']);
        assert.deepEqual(Object.keys(found?.cosine ?? {}), ['ctr/cqs', 'ctr/teacher', 'cqs/teacher']);
        assert.ok(Object.values(found?.norm ?? {}).every((norm) => norm > 0));
        assert.ok(Object.values(found?.cosine ?? {}).every((cosine) => cosine !== null && Math.abs(cosine) <= 1));
      }
      const weights = lines.flatMap(({ balancing }) => (balancing === undefined ? [] : [balancing]));
      assert.equal(weights.length, losses.length);
      assert.deepEqual(Object.keys(weights[0]?.weights ?? {}), ['ctr', 'cqs', 'teacher']);
      if (kind === 'mgda') {
        const sum = Object.values(weights[0]?.weights ?? {}).reduce((a, b) => a + b, 0);
        assert.ok(Math.abs(sum - 3) < 1e-9);
      }
      if (kind === 'uncertainty') {
        const last = weights.at(-1);
        for (const [task, s] of Object.entries(last?.logVariances ?? {})) {
          const weight = last?.weights[task] ?? 0;
          const share = task === 'cqs' ? 0.5 : 1;
          // The weight is that of the last step, s what the step made of it: at most its rate apart.
          assert.ok(s !== 0 && Math.abs(Math.log(share / weight) - s) < 0.01, `${task}: ${s}, ${weight}`);
        }
      }
      const again = join(folder, `${kind}-again`);
      await train(config(...settings), { out: again });
      assert.deepEqual(await model(again), await model(out));
      assert.deepEqual(timeless(await readLines<Line>(again)), timeless(lines));
      const resumed = join(folder, `${kind}-resumed`);
      const abort = new AbortController();
      const interrupt: TrainerCallback = { onReport: ({ step }) => (step >= 32 ? abort.abort() : undefined) };
      await train(config(...settings), { out: resumed, callbacks: [interrupt], signal: abort.signal });
      await train(config(...settings), { out: resumed, resume: true });
      assert.deepEqual(await model(resumed), await model(out));
      assert.deepEqual(timeless(await readLines<Line>(resumed)), timeless(lines));
      const result = await evaluate(await openRun(out, { checkpoint: 'last' }));
      assert.deepEqual(result.tasks.ctr, summary.metrics.eval?.ctr);
    }).timeout(120_000);
  }

  it('shows gradients without changing a bit of the training', async () => {
    const [plain, shown] = [join(folder, 'plain'), join(folder, 'shown')];
    await train(config(), { out: plain });
    await train(config('training.gradientCosines=5'), { out: shown });
    assert.deepEqual(await model(shown), await model(plain));
    const lines = (await readLines<Line>(shown)).filter(({ gradients }) => gradients !== undefined);
    assert.equal(lines.length, Math.floor(64 / 5));
    assert.ok((await readLines<Line>(plain)).every(({ gradients, balancing }) => !gradients && !balancing));
  });

  it('balances from the same seed to other parameters than fixed weights', async () => {
    const models = await Promise.all(
      ['plain', 'uncertainty', 'pcgrad', 'mgda'].map((name) => model(join(folder, name))),
    );
    assert.equal(new Set(models.map((bytes) => bytes.toString('base64'))).size, 4);
  });

  it('refuses to resume with another balancing', async () => {
    await assert.rejects(
      train(config('training.balancing.kind=pcgrad'), { out: join(folder, 'plain'), resume: true }),
      {
        code: 'CHECKPOINT_MISMATCH',
        message: /training\.balancing\.kind: "?fixed"? → "?pcgrad"?/,
      },
    );
  });

  it('refuses a normalisation that is not used', () => {
    assert.throws(() => config('training.balancing={ kind: pcgrad, normalisation: l2 }'), /is for the kind mgda only/);
  });
});
