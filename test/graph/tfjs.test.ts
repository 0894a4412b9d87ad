/** TensorFlow.js on the same plans: every operation and both models, differentiated by TensorFlow. */
import assert from 'node:assert/strict';
import { OPERATIONS } from '../../src/graph/index.js';
import { trainingProgram } from '../../src/models/registry.js';
import { TASK_STATS } from '../../src/runtime/native.js';
import type { Plan } from '../../src/runtime/plan.js';
import { FORWARD_KINDS } from '../../src/runtime/tfjs/forward.js';
import { loadTfjs } from '../../src/runtime/tfjs/load.js';
import { TfjsProgram, type TfjsSettings } from '../../src/runtime/tfjs.js';
import { DLRM, FEATURES, TASKS, TWO_TOWER } from '../models/fixtures.js';
import { assertClose, buildCase, tableGradients } from './build.js';
import { CASES } from './cases.js';
import { randomBatch, randomParameters, toArrayBatch, uniform } from './random.js';
import { present, type ReferenceBatch, type ReferenceResult, runReference } from './reference.js';

const RUN = { seed: 5, step: 3 };
const SGD = { kind: 'sgd', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, initialAccumulator: 0, l2: 0 } as const;

function settings(weights: ReadonlyMap<string, Float64Array>): TfjsSettings {
  return {
    sparse: SGD,
    dense: { ...SGD, momentum: 0, weightDecay: 0 },
    seed: RUN.seed,
    weights: { read: (name) => Float32Array.from(present(weights.get(name), name)) },
  };
}

/** The plan with the gradients of its dense parameters as further outputs. */
function withGradients(plan: Plan): Plan {
  const gradients = plan.parameters.filter(({ grad }) => grad >= 0).map(({ name, grad }) => ({ name, value: grad }));
  return { ...plan, outputs: [...plan.outputs, ...gradients] };
}

function compareGradients(
  plan: Plan,
  result: ReferenceResult,
  batch: ReferenceBatch,
  actual: (name: string) => Float32Array,
  tolerance: number,
): number {
  const expected = tableGradients(plan, batch, result.pooled);
  plan.outputs.forEach(({ name }, index) => {
    if (plan.parameters.some((parameter) => parameter.name === name)) {
      expected.set(name, present(result.outputs[index]));
    }
  });
  for (const [name, values] of expected) {
    const gradient = actual(name);
    assert.equal(gradient.length, values.length);
    values.forEach((value, index) => {
      assertClose(present(gradient[index]), value, tolerance, `dL/d(${name})[${index}]`);
    });
  }
  return expected.size;
}

describe('tfjs runtime', () => {
  it('runs every forward operation of the table', () => {
    const forward = OPERATIONS.map(({ kind }) => kind).filter(
      (kind) => !/\.(grad|dx|dw)$/.test(kind) && !['loss', 'sumRows', 'addInto'].includes(kind),
    );
    assert.deepEqual(forward.toSorted(), [...FORWARD_KINDS].sort());
  });

  it('names what to install when nothing is', async () => {
    await assert.rejects(loadTfjs(['@prerank/no-such-package']), /not installed.*npm install @tensorflow\/tfjs/);
  });

  for (const item of CASES) {
    it(`${item.name}: forward and gradients of the float64 reference`, async () => {
      const built = buildCase(item, 8);
      const plan = withGradients(built.plan);
      const random = uniform(item.name.length);
      const weights = randomParameters(built.parameters, random, item.positive);
      const batch = randomBatch(plan, random, { rows: 9, positive: item.positive });
      const expected = runReference(plan, weights, batch, RUN);
      const program = await TfjsProgram.create(plan, built.parameters, settings(weights));
      const options = { step: RUN.step, denseLr: 0, sparseLr: 0, update: false };
      if (plan.parameters.some(({ grad }) => grad >= 0) || plan.sparseGradients.length > 0) {
        const stats = await program.step(toArrayBatch(batch), options);
        plan.tasks.forEach((_, task) => {
          const loss = present(stats[task * TASK_STATS.length]) / present(stats[task * TASK_STATS.length + 1]);
          assertClose(loss, present(expected.losses[task]), 1e-5, `loss ${task}`);
        });
        compareGradients(plan, expected, batch, (name) => program.gradient(name), 1e-5);
      } else {
        await program.predict(toArrayBatch(batch));
      }
      const result = program.readOutput(0);
      present(expected.outputs[0]).forEach((value, index) => {
        assertClose(present(result[index]), value, 1e-5, `result[${index}]`);
      });
      program.dispose();
    });
  }

  for (const config of [TWO_TOWER, DLRM]) {
    it(`${config.kind}: forward, every gradient and the statistics`, async () => {
      const { plan: bare, parameters } = trainingProgram(config, FEATURES, TASKS);
      const plan = withGradients(bare);
      const random = uniform(3);
      const weights = randomParameters(parameters, random);
      const batch = randomBatch(plan, random, { rows: 21 });
      const expected = runReference(plan, weights, batch, RUN);
      const program = await TfjsProgram.create(plan, parameters, settings(weights));
      const options = { step: RUN.step, denseLr: 0, sparseLr: 0, update: true };
      const stats = await program.step(toArrayBatch(batch), options);
      TASKS.forEach((_, task) => {
        present(expected.outputs[task]).forEach((value, row) => {
          assertClose(present(program.readOutput(task)[row]), value, 1e-5, `task ${task}, row ${row}`);
        });
        const loss = present(stats[task * TASK_STATS.length]) / present(stats[task * TASK_STATS.length + 1]);
        assertClose(loss, present(expected.losses[task]), 1e-5, `loss ${task}`);
      });
      assert.equal(
        compareGradients(plan, expected, batch, (name) => program.gradient(name), 2e-5),
        parameters.length,
      );
      program.dispose();
    });
  }

  it('refuses ids outside their table, missing inputs and losses that are not finite', async () => {
    const { plan, parameters } = trainingProgram(DLRM, FEATURES, TASKS);
    const random = uniform(4);
    const weights = randomParameters(parameters, random);
    const program = await TfjsProgram.create(plan, parameters, settings(weights));
    const batch = toArrayBatch(randomBatch(plan, random, { rows: 4 }));
    const ids = batch.ids?.map((bags) => ({ ...bags, ids: bags.ids.map(() => 1000) }));
    await assert.rejects(program.predict({ ...batch, ids }), { code: 'OUT_OF_RANGE' });
    await assert.rejects(program.predict({ ...batch, dense: [] }), { code: 'INVALID_ARGUMENT' });
    const dense = batch.dense?.map((values) => values.map(() => Number.NaN));
    const options = { step: 0, denseLr: 1, sparseLr: 1, update: true };
    await assert.rejects(program.step({ ...batch, dense }, options), { code: 'NON_FINITE' });
    assert.deepEqual(program.read('top.0.weight'), Float32Array.from(present(weights.get('top.0.weight'))));
    program.dispose();
  });
});
