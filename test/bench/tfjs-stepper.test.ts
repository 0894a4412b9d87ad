/** Steps on TensorFlow.js with its own optimizers, beside the native program's on the same batches. */
import assert from 'node:assert/strict';
import { trainingBatch } from '../../src/bench/array-batches.js';
import { generateColumns } from '../../src/bench/generated-data.js';
import { referenceProblem } from '../../src/bench/step-problem.js';
import { createStepProgram } from '../../src/bench/stepper.js';
import { TfjsStepper } from '../../src/bench/tfjs-stepper.js';
import { loadAddon } from '../../src/runtime/load.js';
import { assertClose } from '../graph/build.js';
import { meanLoss } from '../graph/native-support.js';
import { smallStep } from './fixture.js';

const BATCH = 8;
const BATCHES = 3;

describe('steps on TensorFlow.js', () => {
  const addon = loadAddon();
  const step = smallStep();
  const problem = () => referenceProblem(addon, step, { batch: BATCH, batches: BATCHES, seed: 1 });

  it('have the losses of the native program', async () => {
    const { program, store, rates, optimizers, ...rest } = problem();
    const columns = generateColumns(step, BATCH * BATCHES, 1);
    const tfjs = await TfjsStepper.create(program, store, { ...optimizers, rates });
    const native = createStepProgram(addon, { program, store, rates, optimizers, ...rest }, { threads: 1, seed: 1 });
    const losses: number[] = [];
    for (let i = 0; i < 2 * BATCHES; i += 1) {
      const rows = Uint32Array.from({ length: BATCH }, (_, row) => (i % BATCHES) * BATCH + ((row * 5) % BATCH));
      const batch = trainingBatch(program, step.sources, columns, rows);
      const options = { step: i, denseLr: rates.dense, sparseLr: rates.sparse, update: true };
      const expected = meanLoss(program.plan, await native.step(batch, options));
      const loss = tfjs.step(batch);
      // The same forward pass at first; the two Adagrads differ in their epsilon.
      assertClose(loss, expected, i === 0 ? 1e-6 : 2e-3, `step ${i}`);
      losses.push(loss);
    }
    const [first = 0, again = 0] = [losses[0], losses[BATCHES]];
    assert.ok(again < 0.995 * first, losses.join(', '));
    assert.ok(tfjs.engine.package.startsWith('@tensorflow/tfjs') && tfjs.engine.backend.length > 0);
    tfjs.dispose();
  });

  it('take the rows that the loader would: masks, targets, lists', () => {
    const { program } = problem();
    const columns = generateColumns(step, BATCH, 1);
    const rows = Uint32Array.of(5, 0, 5);
    const batch = trainingBatch(program, step.sources, columns, rows);
    const values = (name: string) => columns.find((column) => column.name === name)?.chunks[0];
    const shown = values('role.impression')?.values ?? [];
    assert.deepEqual(
      [...(batch.taskMask ?? [])],
      [...rows].map((row) => (shown[row] === 1 ? 0b111 : 0b110)),
    );
    assert.deepEqual(
      [...(batch.targets?.[1] ?? [])],
      [...rows].map((row) => values('role.cqs')?.values[row]),
    );
    for (const [i, { column, multi }] of program.ids.entries()) {
      const { ids, offsets } = batch.ids?.[i] ?? {};
      const chunk = values(column);
      assert.ok(ids && chunk);
      assert.equal(offsets !== undefined, multi);
      const list = (row: number) =>
        chunk.offsets === undefined
          ? [chunk.values[row]]
          : [...chunk.values.subarray(chunk.offsets[row], chunk.offsets[row + 1])];
      assert.deepEqual([...ids], [...rows].flatMap(list));
    }
  });

  it('are refused for an optimizer that TensorFlow.js does not have', async () => {
    const { program, store, rates, optimizers } = problem();
    for (const sparse of ['rowwise-adagrad', 'adam'] as const) {
      await assert.rejects(TfjsStepper.create(program, store, { ...optimizers, sparse, rates }), {
        code: 'UNSUPPORTED',
        message: /TensorFlow\.js has no optimizer/,
      });
    }
  });
});
