/** Task balancing on whole models: the native step against gradients of the float64 interpreter, combined on vectors. */
import assert from 'node:assert/strict';
import {
  add,
  type BalancingRequest,
  compile,
  concat,
  embedding,
  expand,
  Graph,
  LOG_VARIANCES,
  type Lowered,
  linear,
  linearWith,
  mul,
  type TaskLoss,
  verifyPlan,
} from '../../src/graph/index.js';
import type { ModelTask } from '../../src/models/model.js';
import { trainingProgram } from '../../src/models/registry.js';
import { loadAddon } from '../../src/runtime/load.js';
import type { Addon, NativeProgram } from '../../src/runtime/native.js';
import type { Plan } from '../../src/runtime/plan.js';
import { TfjsProgram } from '../../src/runtime/tfjs.js';
import { DLRM, FEATURES, TASKS, TWO_TOWER } from '../models/fixtures.js';
import { assertClose, tableGradients } from './build.js';
import { dot, leastNorm, pcgrad } from './gradient-surgery.js';
import { randomBatch, randomParameters, toArrayBatch, uniform } from './random.js';
import { present, type ReferenceBatch, runReference } from './reference.js';

const SEED = 5;
const OPTIMIZER = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, initialAccumulator: 0, l2: 0 } as const;
const SGD = {
  dense: { ...OPTIMIZER, kind: 'sgd', momentum: 0, weightDecay: 0 },
  sparse: { ...OPTIMIZER, kind: 'sgd' },
} as const;
const MODELS = [TWO_TOWER, DLRM, { ...TWO_TOWER, merge: 'dot' }] as const;
type Gradients = ReadonlyMap<string, Float64Array>;

/** Gradients of λ_k L_k alone, by task, in float64; parameters that a task does not reach have zeros. */
function taskGradients(plan: Plan, weights: Gradients, batch: ReferenceBatch, step: number) {
  const outputs = plan.parameters.map(({ name, grad }) => ({ name, value: grad }));
  return plan.tasks.map((_, k) => {
    const tasks = plan.tasks.map((task, i) => ({ ...task, weight: i === k ? task.weight : 0 }));
    const result = runReference({ ...plan, tasks, outputs }, weights, batch, { seed: SEED, step });
    const gradients = new Map(tableGradients(plan, batch, result.pooled));
    outputs.forEach(({ name }, index) => {
      gradients.set(name, present(result.outputs[index]));
    });
    return { gradients, loss: present(result.losses[k]) * present(plan.tasks[k]).weight };
  });
}

/** A task's gradient of all shared dense parameters as one vector. */
function vectorOf(gradients: Gradients, names: readonly string[]): Float64Array {
  return Float64Array.from(names.flatMap((name) => [...present(gradients.get(name))]));
}

interface StepOptions {
  readonly threads?: number;
  /** Number of the step. */
  readonly number?: number;
  readonly denseLr?: number;
  readonly settings?: object;
  readonly rows?: number;
}

interface Trained {
  readonly plan: Plan;
  readonly parameters: Lowered['parameters'];
  readonly weights: Gradients;
  readonly batch: ReferenceBatch;
  readonly program: NativeProgram;
  /** What one SGD step with rate 1 took away from each parameter. */
  readonly moved: (name: string) => Float64Array;
  readonly read: (name: string) => Float32Array;
}

describe('task balancing', () => {
  let addon: Addon;
  before(() => {
    addon = loadAddon();
  });

  const step = (
    model: (typeof MODELS)[number],
    balancing: BalancingRequest | undefined,
    { tasks = TASKS, ...options }: StepOptions & { readonly tasks?: readonly ModelTask[] } = {},
  ): Promise<Trained> => stepOf(trainingProgram(model, FEATURES, tasks, { balancing }), options);

  async function stepOf(
    { plan, parameters }: Pick<Lowered, 'plan' | 'parameters'>,
    { threads = 2, number = 3, denseLr = 1, settings = {}, rows = 37 }: StepOptions = {},
  ): Promise<Trained> {
    const random = uniform(21);
    const batch = randomBatch(plan, random, { rows });
    const weights = new Map(
      [...randomParameters(parameters, random)].map(([name, values]) => [name, values.map((value) => value / 4)]),
    );
    const store = new addon.ParameterStore({ parameters, ...SGD, ...settings, training: true, seed: 1 });
    for (const [name, values] of weights) store.write(name, Float32Array.from(values));
    const program = new addon.Program(plan, store, { threads, capacity: rows, seed: SEED });
    await program.step(toArrayBatch(batch), { step: number, denseLr, sparseLr: 1, update: true });
    const moved = (name: string): Float64Array =>
      Float64Array.from(store.read(name), (value, i) => present(weights.get(name)?.[i]) - value);
    return { plan, parameters, weights, batch, program, moved, read: (name) => store.read(name) };
  }

  function assertMoved({ moved }: Trained, expected: Gradients, tolerance = 3e-5): void {
    for (const [name, gradient] of expected) {
      const actual = moved(name);
      assert.equal(actual.length, gradient.length);
      for (const [i, value] of actual.entries()) assertClose(value, present(gradient[i]), tolerance, `${name}[${i}]`);
    }
  }

  /** Each task's gradients times a coefficient, summed. */
  function combined(
    tasks: readonly { gradients: Gradients }[],
    coefficients: (name: string) => readonly number[],
  ): Gradients {
    const names = [...present(tasks[0]).gradients.keys()];
    return new Map(
      names.map((name) => {
        const c = coefficients(name);
        const parts = tasks.map(({ gradients }) => present(gradients.get(name)));
        return [
          name,
          present(parts[0]).map((_, i) => parts.reduce((sum, p, k) => sum + present(c[k]) * present(p[i]), 0)),
        ];
      }),
    );
  }

  const isHead = (name: string): boolean => name.startsWith('heads.');
  const isTable = (name: string): boolean => name.startsWith('embeddings.');

  for (const model of MODELS) {
    const title = `${model.kind}${'merge' in model ? ` ${model.merge}` : ''}`;
    /** Reference gradients from the plan without balancing, whose parameters are the same. */
    const reference = (trained: Trained, number = 3, tasks: readonly ModelTask[] = TASKS) =>
      taskGradients(trainingProgram(model, FEATURES, tasks).plan, trained.weights, trained.batch, number);
    const shared = (trained: Trained): string[] =>
      trained.plan.parameters.map(({ name }) => name).filter((name) => !isHead(name) && name !== LOG_VARIANCES);

    it(`${title}: plans of every kind are sound and keep gradients apart only where they are needed`, () => {
      for (const kind of ['fixed', 'uncertainty', 'pcgrad', 'mgda'] as const) {
        const { plan } = trainingProgram(model, FEATURES, TASKS, { balancing: { kind } });
        assert.deepEqual(verifyPlan(plan), []);
        const apart = kind === 'pcgrad' || kind === 'mgda';
        assert.equal(present(plan.balancing).dense.length > 0, apart);
        assert.equal(present(plan.balancing).pooled.length, kind === 'mgda' ? plan.sparseGradients.length : 0);
      }
      const { balancing } = trainingProgram(model, FEATURES, TASKS).plan;
      assert.equal(balancing, undefined);
    });

    it(`${title}: gradients kept apart and summed are those of the sum, and their dot products are right`, async () => {
      const trained = await step(model, { kind: 'fixed', apart: true });
      const tasks = reference(trained);
      assertMoved(
        trained,
        combined(tasks, () => [1, 1, 1]),
      );
      const vectors = tasks.map(({ gradients }) => vectorOf(gradients, shared(trained)));
      const { gram, weights } = present(trained.program.balance() ?? undefined);
      assert.equal(weights.length, 0);
      gram.forEach((product, i) => {
        const expected = dot(present(vectors[Math.floor(i / 3)]), present(vectors[i % 3]));
        assertClose(product, expected, 1e-5, `gram[${i}]`);
      });
    });

    for (const number of [3, 4, 5]) {
      it(`${title}: PCGrad is the surgery on shared dense parameters, step ${number}`, async () => {
        const trained = await step(model, { kind: 'pcgrad' }, { number });
        const tasks = reference(trained, number);
        assert.ok(
          trained.program.balance()?.weights.some((weight) => weight !== 1),
          'no gradients conflict',
        );
        const names = shared(trained);
        const expected = pcgrad(
          tasks.map(({ gradients }) => vectorOf(gradients, names)),
          SEED,
          number,
        );
        assertMoved(
          trained,
          new Map([...combined(tasks, () => [1, 1, 1])].filter(([name]) => isHead(name) || isTable(name))),
        );
        let at = 0;
        for (const name of names) {
          const length = present(trained.weights.get(name)).length;
          assertMoved(trained, new Map([[name, expected.subarray(at, at + length)]]));
          at += length;
        }
      });
    }

    for (const normalisation of ['none', 'l2', 'loss', 'loss+'] as const) {
      it(`${title}: MGDA takes the least norm of gradients divided by ${normalisation}`, async () => {
        const trained = await step(model, { kind: 'mgda', normalisation });
        const tasks = reference(trained);
        const vectors = tasks.map(({ gradients }) => vectorOf(gradients, shared(trained)));
        const norms = tasks.map(({ loss }, k) => {
          const length = Math.sqrt(dot(present(vectors[k]), present(vectors[k])));
          return { none: 1, l2: length, loss, 'loss+': loss * length }[normalisation];
        });
        const scaled = vectors.map((vector, k) => vector.map((value) => value / present(norms[k])));
        const weights = leastNorm(scaled).map((weight) => 3 * weight);
        const found = present(trained.program.balance() ?? undefined).weights;
        found.forEach((weight, k) => {
          assertClose(weight, present(weights[k]), 2e-3, `weight ${k}`);
        });
        assertMoved(
          trained,
          combined(tasks, (name) => (isHead(name) ? [1, 1, 1] : [...found])),
        );
      });
    }

    it(`${title}: uncertainty scales the losses and moves the log-variances by their gradients`, async () => {
      const trained = await step(model, { kind: 'uncertainty' });
      const tasks = reference(trained);
      const logVariances = present(trained.weights.get(LOG_VARIANCES));
      const scales = [...logVariances].map((s, k) => (TASKS[k]?.kind === 'bce' ? 1 : 0.5) * Math.exp(-s));
      assertMoved(
        trained,
        combined(tasks, () => scales),
      );
      const gradient = Float64Array.from(tasks, ({ loss }, k) => 0.5 - present(scales[k]) * loss);
      assertMoved(trained, new Map([[LOG_VARIANCES, gradient]]));
    });
  }

  /**
   * Lookups by request and by row whose gradients are one value (a sum), a weight computed from parameters, and a
   * parameter that two of three tasks reach.
   */
  function mixed(balancing?: BalancingRequest): Lowered {
    const graph = new Graph();
    const init = { kind: 'zero' } as const;
    const lookup = (name: string, domain: 'request' | 'row') =>
      embedding(graph, name, { table: { name, rows: 9, dim: 4 }, domain });
    const user = linear(add(lookup('u', 'request'), lookup('v', 'request')), 'user', { out: 3, activation: 'tanh' });
    const ad = linear(lookup('a', 'row'), 'ad', { out: 3 });
    const scale = mul(graph.parameter('left', [3, 6], init), graph.parameter('right', [3, 6], init));
    const shared = linearWith(concat([expand(user), ad]), scale, undefined);
    const pair = linear(shared, 'pair', { out: 2, activation: 'tanh' });
    const logits = [
      linear(pair, 'heads.a', { out: 1 }),
      linear(pair, 'heads.b', { out: 1 }),
      linear(shared, 'heads.c', { out: 1 }),
    ];
    const losses = logits.map((value, k): TaskLoss => ({ ...present(TASKS[k]), logits: value }));
    return compile({ graph, outputs: {}, losses, balancing });
  }

  it('holds for requests, weights made of parameters, and parameters of some of the tasks', async () => {
    const plain = mixed();
    for (const kind of ['fixed', 'pcgrad', 'mgda'] as const) {
      const lowered = mixed({ kind, apart: true });
      assert.deepEqual(verifyPlan(lowered.plan), []);
      const trained = await stepOf(lowered, { rows: 300, number: 4 });
      const tasks = taskGradients(plain.plan, trained.weights, trained.batch, 4);
      const names = trained.plan.parameters.map(({ name }) => name).filter((name) => !isHead(name));
      assert.ok(names.includes('left') && names.includes('pair.weight'));
      const vectors = tasks.map(({ gradients }) => vectorOf(gradients, names));
      const { gram, weights } = present(trained.program.balance() ?? undefined);
      gram.forEach((product, i) => {
        assertClose(product, dot(present(vectors[Math.floor(i / 3)]), present(vectors[i % 3])), 1e-5, `gram[${i}]`);
      });
      const coefficients = kind === 'fixed' ? [1, 1, 1] : [...weights];
      if (kind === 'mgda') {
        leastNorm(vectors).forEach((weight, k) => {
          assertClose(present(weights[k]), 3 * weight, 2e-3, `weight ${k}`);
        });
      }
      const plainly = (name: string): boolean => isHead(name) || (isTable(name) && kind === 'pcgrad');
      assertMoved(
        trained,
        combined(tasks, (name) => (plainly(name) ? [1, 1, 1] : coefficients)),
      );
    }
  });

  it('counts tasks on the same logits as one', async () => {
    const tasks: ModelTask[] = TASKS.map((task) => (task.name === 'teacher' ? { ...task, logitsOf: 'ctr' } : task));
    const trained = await step(TWO_TOWER, { kind: 'mgda' }, { tasks });
    assert.equal(trained.program.balance()?.weights.length, 2);
    assert.equal(trained.program.balance()?.gram.length, 4);
  });

  it('takes a single task as it is', async () => {
    for (const kind of ['uncertainty', 'pcgrad', 'mgda'] as const) {
      const tasks = TASKS.slice(0, 1);
      const [alone, plain] = await Promise.all([
        step(TWO_TOWER, { kind }, { tasks }),
        step(TWO_TOWER, undefined, { tasks }),
      ]);
      assert.equal(alone.plan.balancing?.dense.length, 0);
      if (kind === 'uncertainty') continue;
      for (const { name } of plain.parameters) assert.deepEqual(alone.read(name), plain.read(name));
    }
  });

  it('gives the same coefficients for every number of threads', async () => {
    for (const kind of ['pcgrad', 'mgda'] as const) {
      const [one, three] = await Promise.all(
        [1, 3].map((threads) => step(TWO_TOWER, { kind }, { threads, rows: 700 })),
      );
      const [a, b] = [present(one).program.balance(), present(three).program.balance()];
      a?.weights.forEach((weight, k) => {
        assertClose(present(b?.weights[k]), weight, 1e-4, `weight ${k}`);
      });
      const again = await step(TWO_TOWER, { kind }, { threads: 3, rows: 700 });
      for (const { name } of again.parameters) assert.deepEqual(again.read(name), present(three).read(name));
    }
  });

  it('clamps log-variances, and leaves weight decay and l2 to the weights', async () => {
    const huge = await step(TWO_TOWER, { kind: 'uncertainty' }, { denseLr: 1000 });
    assert.ok(huge.read(LOG_VARIANCES).every((s) => Math.abs(s) === 10));
    const settings = { dense: { ...SGD.dense, l2: 10 } };
    const [decayed, plain] = await Promise.all([
      step(TWO_TOWER, { kind: 'uncertainty' }, { settings, denseLr: 0.01 }),
      step(TWO_TOWER, { kind: 'uncertainty' }, { denseLr: 0.01 }),
    ]);
    assert.deepEqual(decayed.read(LOG_VARIANCES), plain.read(LOG_VARIANCES));
    assert.notDeepEqual(decayed.read('heads.ctr.0.weight'), plain.read('heads.ctr.0.weight'));
  });

  it('leaves a task without rows alone', async () => {
    for (const kind of ['uncertainty', 'pcgrad', 'mgda'] as const) {
      const { plan, parameters } = trainingProgram(TWO_TOWER, FEATURES, TASKS, { balancing: { kind } });
      const batch = randomBatch(plan, uniform(3), { rows: 20 });
      const store = new addon.ParameterStore({ parameters, ...SGD, training: true, seed: 1 });
      const program = new addon.Program(plan, store, { threads: 1, capacity: 20, seed: SEED });
      const masked = { ...toArrayBatch(batch), taskMask: batch.taskMask?.map((mask) => mask & 5) };
      const before = store.read('user_tower.top.0.weight');
      await program.step(masked, { step: 0, denseLr: 0.1, sparseLr: 0.1, update: true });
      assert.notDeepEqual(store.read('user_tower.top.0.weight'), before, kind);
      const { weights } = present(program.balance() ?? undefined);
      if (kind === 'uncertainty') {
        assert.equal(store.read(LOG_VARIANCES)[1], 0);
      } else if (kind === 'mgda') {
        assert.equal(weights[1], 1);
        assertClose(present(weights[0]) + present(weights[2]), 2, 1e-9, 'weights');
      }
    }
  });

  it('is not for TensorFlow.js', async () => {
    const { plan, parameters } = trainingProgram(TWO_TOWER, FEATURES, TASKS, { balancing: { kind: 'mgda' } });
    const weights = new addon.ParameterStore({ parameters, ...SGD, training: true, seed: 1 });
    await assert.rejects(TfjsProgram.create(plan, parameters, { ...SGD, seed: 1, weights }), { code: 'UNSUPPORTED' });
  });

  it('refuses plans whose parts share memory or do not fit', () => {
    const { plan, parameters } = trainingProgram(TWO_TOWER, FEATURES, TASKS, { balancing: { kind: 'mgda' } });
    const store = new addon.ParameterStore({ parameters, ...SGD, training: true, seed: 1 });
    const balancing = present(plan.balancing);
    const create = (change: object) => () =>
      new addon.Program({ ...plan, balancing: { ...balancing, ...change } }, store, {
        threads: 1,
        capacity: 8,
        seed: 1,
      });
    const [first, second] = [present(balancing.dense[0]), present(balancing.dense[1])];
    assert.throws(create({ dense: [first, first] }), /shares its memory/);
    assert.throws(create({ dense: [{ values: first.values.slice(1) }] }), /one part for each logits/);
    assert.throws(create({ dense: [{ values: [-1, -1, -1] }] }), /no part/);
    assert.throws(create({ dense: [{ values: [first.values[0], 9999, -1] }] }), /no gradient 9999/);
    assert.throws(create({ dense: [{ values: [first.values[0], second.values[0], -1] }] }), /differ in size/);
    assert.throws(create({ pooled: [first] }), /not kept after the tiles/);
    assert.throws(create({ kind: 'uncertainty' }), /no log-variances/);
  });
});
