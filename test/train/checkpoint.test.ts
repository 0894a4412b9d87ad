import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PrerankError } from '../../src/base/errors.js';
import {
  Checkpoints,
  readState,
  restoreCheckpoint,
  restoreParameters,
  type TrainingState,
} from '../../src/train/checkpoint.js';
import { FakeStore } from './fake-store.js';

const PARAMETERS = [
  { name: 'top.0.weight', shape: [3, 2] },
  { name: 'embeddings.ad', shape: [5, 4] },
];
const STATES = [{ name: 'embeddings.ad.accumulator', shape: [5] }];

function stateOf(step: number): TrainingState {
  return {
    step,
    samples: step * 10,
    seconds: 1.5,
    waitSeconds: 0.25,
    cursor: { epoch: 0, batch: step },
    seed: 7,
    schedule: { step, totalSteps: 100 },
    earlyStopping: { best: 0.5, bestStep: 1, waited: 2 },
    window: {
      steps: 1,
      rows: 10,
      seconds: 0.1,
      waitSeconds: 0,
      sums: [{ loss: 1, weight: 2, count: 3, prediction: 4, target: 5, targetSq: 6 }],
    },
    metricsBytes: 120,
    fingerprints: { config: 'c', model: 'm', features: 'f', data: 'd' },
    versions: { prerank: '0', node: 'v20', isa: 'avx2', threads: 2, device: 'cpu' },
  };
}

function invalid(message: RegExp, code = 'CHECKPOINT_INVALID') {
  return (error: unknown): boolean => {
    assert.ok(error instanceof PrerankError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.ok(error.where.file);
    return true;
  };
}

describe('checkpoints', () => {
  let folder: string;
  let checkpoints: Checkpoints;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prerank-checkpoints-'));
    checkpoints = new Checkpoints(folder, 3);
  });
  afterEach(() => rm(folder, { recursive: true }));
  const store = (fill: number) => new FakeStore(PARAMETERS, STATES, fill);

  it('restores parameters, optimizer state and training state', async () => {
    const path = await checkpoints.write(store(3), stateOf(4), { best: false });
    const restored = store(0);
    const { files, version, ...state } = await readState(path);
    assert.equal(version, 1);
    assert.deepEqual(Object.keys(files), ['model.safetensors', 'optimizer.safetensors']);
    assert.deepEqual(state, stateOf(4));
    assert.equal((await restoreCheckpoint(path, restored)).step, 4);
    assert.deepEqual(restored.tensors, store(3).tensors);
    assert.equal(await checkpoints.last(), 4);
    assert.equal(await checkpoints.best(), null);
  });

  it('keeps the newest three and the best', async () => {
    for (const step of [1, 2, 3, 4, 5, 6]) {
      await checkpoints.write(store(step), stateOf(step), { best: step === 2 });
    }
    const names = (await readdir(folder)).filter((name) => name.startsWith('step-')).sort();
    assert.deepEqual(names, ['step-2', 'step-4', 'step-5', 'step-6']);
    assert.equal(await checkpoints.last(), 6);
    assert.equal(await checkpoints.best(), 2);
  });

  it('replaces a checkpoint that `last` never came to name, and one half written', async () => {
    await checkpoints.write(store(1), stateOf(1), { best: false });
    await mkdir(join(folder, 'step-2'));
    await writeFile(join(folder, 'step-2', 'model.safetensors'), 'half');
    await mkdir(join(folder, '.writing-step-2'));
    await writeFile(join(folder, '.writing-step-2', 'model.safetensors'), 'half');
    assert.equal(await checkpoints.last(), 1);
    const path = await checkpoints.write(store(2), stateOf(2), { best: false });
    const restored = store(0);
    await restoreCheckpoint(path, restored);
    assert.deepEqual(restored.tensors, store(2).tensors);
    assert.ok(!existsSync(join(folder, '.writing-step-2')));
  });

  it('has no last checkpoint in an empty folder', async () => {
    assert.equal(await checkpoints.last(), null);
  });

  it('refuses a pointer that names no checkpoint', async () => {
    await writeFile(join(folder, 'last'), 'step-x\n');
    await assert.rejects(checkpoints.last(), invalid(/should name a checkpoint/));
  });

  it('refuses a changed byte by its checksum', async () => {
    const path = await checkpoints.write(store(1), stateOf(1), { best: false });
    const file = join(path, 'model.safetensors');
    const bytes = await readFile(file);
    bytes[bytes.byteLength - 1] = (bytes.at(-1) ?? 0) ^ 1;
    await writeFile(file, bytes);
    await assert.rejects(restoreCheckpoint(path, store(0)), invalid(/SHA-256/));
  });

  it('refuses a truncated optimizer file', async () => {
    const path = await checkpoints.write(store(1), stateOf(1), { best: false });
    await truncate(join(path, 'optimizer.safetensors'), 100);
    await assert.rejects(restoreCheckpoint(path, store(0)), invalid(/safetensors/));
  });

  for (const [what, text] of [
    ['no JSON', '{'],
    ['null', 'null'],
    ['of another version', '{"version": 2}'],
    ['without a cursor', JSON.stringify({ version: 1, ...stateOf(1), cursor: null, files: {} })],
    ['without checksums', JSON.stringify({ version: 1, ...stateOf(1) })],
  ] as const) {
    it(`refuses a state.json that is ${what}`, async () => {
      const path = await checkpoints.write(store(1), stateOf(1), { best: false });
      await writeFile(join(path, 'state.json'), text);
      await assert.rejects(restoreCheckpoint(path, store(0)), invalid(/training state/));
    });
  }

  it('names the tensors of another model', async () => {
    const path = await checkpoints.write(store(1), stateOf(1), { best: false });
    const other = new FakeStore(
      [
        { name: 'top.0.weight', shape: [4, 2] },
        { name: 'top.1.weight', shape: [1] },
      ],
      STATES,
      0,
    );
    await assert.rejects(
      restoreParameters(join(path, 'model.safetensors'), other),
      invalid(
        /top\.0\.weight is \[3,2\], the model needs \[4,2\]; top\.1\.weight \[1\] is missing; embeddings\.ad \[5,4\] is not in the model/,
        'CHECKPOINT_MISMATCH',
      ),
    );
    assert.deepEqual(other.read('top.0.weight'), new Float32Array(8));
  });
});
