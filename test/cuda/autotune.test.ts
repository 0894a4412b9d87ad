/** Algorithms of matrix products chosen by their time, and kept: runs on the emulated device, whose cuBLASLt has three. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig, type TrainerCallback, train } from '../../src/index.js';
import type { ProductTuning } from '../../src/runtime/native.js';
import { leaveEmulatedDevice, useEmulatedDevice } from '../support/emulated-device.js';
import { prerank, sampleConfig, writeLogs } from '../support/sample-run.js';

const SET = ['training.epochs=1', 'training.checkpointEverySteps=8', 'training.device=cuda:0'];
const TUNED = [...SET, 'training.autotune=true'];
const WORD = 16;

describe('autotune', () => {
  let folder: string;
  const config = (set: readonly string[]) => loadConfig(sampleConfig(folder), { set });
  const model = (run: string): Promise<Buffer> => readFile(join(folder, run, 'model', 'model.safetensors'));
  const statePath = (run: string): string => join(folder, run, 'checkpoints', 'step-16', 'state.json');
  const tuning = async (run: string): Promise<ProductTuning | undefined> =>
    (JSON.parse(await readFile(statePath(run), 'utf8')) as { tuning?: ProductTuning }).tuning;

  /** Trains while one of the three algorithms is the fastest. */
  const run = async (name: string, fastest: number, set: readonly string[], resume = false): Promise<void> => {
    process.env.PRERANK_EMULATED_FASTEST = String(fastest);
    await train(config(set), { out: join(folder, name), resume });
  };
  const interrupted = async (name: string, fastest: number, set: readonly string[]): Promise<void> => {
    process.env.PRERANK_EMULATED_FASTEST = String(fastest);
    const abort = new AbortController();
    const interrupt: TrainerCallback = { onReport: ({ step }) => (step >= 16 ? abort.abort() : undefined) };
    const { status } = await train(config(set), {
      out: join(folder, name),
      callbacks: [interrupt],
      signal: abort.signal,
    });
    assert.equal(status, 'interrupted');
  };
  const change = async (name: string, edit: (kept: ProductTuning) => ProductTuning): Promise<void> => {
    const state = JSON.parse(await readFile(statePath(name), 'utf8')) as { tuning: ProductTuning };
    await writeFile(statePath(name), JSON.stringify({ ...state, tuning: edit(state.tuning) }));
  };

  before(async function () {
    useEmulatedDevice(this, 'three-algorithms');
    folder = await mkdtemp(join(tmpdir(), 'prerank-autotune-'));
    await writeLogs(folder);
    await run('tuned', 1, TUNED);
  });
  after(async () => {
    leaveEmulatedDevice();
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  it('takes the fastest algorithm for every product of a whole batch', async () => {
    const { fits = '', products = [] } = (await tuning('tuned')) ?? {};
    assert.match(fits, /^cuBLASLt 130000 on Emulated device$/);
    assert.ok(products.length > 10, `${products.length} products`);
    for (const { product, algorithm } of products) {
      assert.equal(algorithm.length, 8 * WORD);
      assert.equal(algorithm.slice(4 * WORD, 5 * WORD), '1'.padStart(WORD, '0'), product);
    }
    await run('other', 2, TUNED);
    assert.notDeepEqual(await model('other'), await model('tuned'));
  });

  it('goes on with the algorithms of the checkpoint: the same bytes, whatever is faster now', async () => {
    await interrupted('resumed', 1, TUNED);
    await run('resumed', 2, TUNED, true);
    assert.deepEqual(await tuning('resumed'), await tuning('tuned'));
    assert.deepEqual(await model('resumed'), await model('tuned'));
  });

  it('uses the first algorithm without it', async () => {
    await run('heuristic', 2, SET);
    assert.equal(await tuning('heuristic'), undefined);
    await run('first', 0, TUNED);
    assert.deepEqual(await model('first'), await model('heuristic'));
  });

  it('chooses again on another library, and says so', async () => {
    await interrupted('moved', 1, TUNED);
    await change('moved', (kept) => ({ ...kept, fits: 'cuBLASLt 130100 on another device' }));
    process.env.PRERANK_EMULATED_FASTEST = '2';
    const { status, stderr } = prerank('train', await configFile('moved'), '--out', join(folder, 'moved'), '--resume');
    assert.equal(status, 0, stderr);
    assert.match(
      stderr,
      /other algorithms of matrix products \(cuBLASLt 130100 on another device → cuBLASLt 130000 on/,
    );
    assert.notDeepEqual(await model('moved'), await model('tuned'));
  });

  it('refuses choices that it cannot read or use', async () => {
    await interrupted('broken', 1, TUNED);
    const broken = async (algorithm: string): Promise<void> => {
      await change('broken', (kept) => ({
        ...kept,
        products: kept.products.map(({ product }) => ({ product, algorithm })),
      }));
      await run('broken', 1, TUNED, true);
    };
    await assert.rejects(broken('12'), /is not 128 hexadecimal digits/);
    await assert.rejects(broken('f'.repeat(8 * WORD)), /kept for the product .* cannot be used/);
  });

  it('is not for the CPU', async () => {
    await assert.rejects(train(config([...TUNED, 'training.device=cpu']), { out: join(folder, 'cpu') }), {
      code: 'CONFIG_INVALID',
      where: { path: 'training.autotune' },
      message: /needs a GPU/,
    });
  });

  async function configFile(name: string): Promise<string> {
    const path = join(folder, `${name}.json`);
    await writeFile(path, JSON.stringify(config(TUNED)));
    return path;
  }
});
