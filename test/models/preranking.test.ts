/** The pre-ranking models against their papers' formulas, written down once more with plain float64 arrays. */
import assert from 'node:assert/strict';
import type { ColdConfig } from '../../src/config/models.js';
import { verifyPlan } from '../../src/graph/index.js';
import { fieldCosts } from '../../src/models/fscd.js';
import type { Sample, TaskSample } from '../../src/models/model.js';
import { gatingProgram, predictionProgram, trainingProgram } from '../../src/models/registry.js';
import type { Plan } from '../../src/runtime/plan.js';
import { operationCost } from '../../src/runtime/plan-cost.js';
import { gateNoise } from '../../src/runtime/tfjs/philox.js';
import { assertClose } from '../graph/build.js';
import { randomBatch, randomParameters, uniform } from '../graph/random.js';
import { present, type ReferenceBatch, runReference } from '../graph/reference.js';
import { COLD, ECM, ECMM, FSCD, TASKS, WHOLE_CHAIN } from './fixtures.js';
import {
  dot,
  input,
  Layers,
  relu,
  SMALL_FEATURES,
  scaled,
  sigmoid,
  softmax,
  sumOf,
  type Vector,
  type Weights,
} from './plain-layers.js';

const RUN = { seed: 1, step: 0 };
const CLICK = TASKS.slice(0, 1);

/** The settings of the code of ECM's authors. */
const PUBLISHED = {
  weight: 1 / 4096,
  operations: { user: 0.4, ad: 1.5, context: 3 },
  fields: [],
  gamma: { operations: 1, width: 0.01, keys: 0 },
};

/** Columns of each field in the input: age, price, country, ad. */
const FIELDS = [
  [0, 1],
  [1, 2],
  [2, 6],
  [6, 10],
] as const;

function squeezed(gate: ColdConfig['gate'], weights: Weights, x: Vector): Vector {
  if (gate === 'none') return FIELDS.map(() => 1);
  if (gate === 'concat') return new Layers(weights).linear('gate', x).map(sigmoid);
  const [w, b] = ['gate.weight', 'gate.bias'].map((name) => present(weights.get(name)));
  return FIELDS.map(([from, to], m) => {
    return sigmoid(dot([...present(w).subarray(from, to)], x.slice(from, to)) + present(b?.[m]));
  });
}

describe('formulas of the pre-ranking models', () => {
  for (const gate of ['concat', 'own', 'none'] as const) {
    it(`cold scales its fields and shows by how much, gate ${gate}`, () => {
      const config = { ...COLD, gate };
      const { plan, parameters } = predictionProgram(config, SMALL_FEATURES, CLICK);
      const random = uniform(3);
      const weights = randomParameters(parameters, random);
      const batch = randomBatch(plan, random, { rows: 6 });
      const { outputs } = runReference(plan, weights, batch, RUN);
      const layers = new Layers(weights);
      const gating = gatingProgram(config, SMALL_FEATURES, CLICK);
      assert.equal(gating === null, gate === 'none');
      const shown = gating === null ? undefined : runReference(gating.program.plan, weights, batch, RUN).outputs[0];
      if (gating !== null) assert.deepEqual(gating.experts.get('fields'), ['age', 'price', 'country', 'ad']);
      for (let row = 0; row < batch.rows; row += 1) {
        const x = input(weights, batch, row);
        const s = squeezed(gate, weights, x);
        s.forEach((weight, m) => {
          if (shown !== undefined) assertClose(present(shown[row * s.length + m]), weight, 1e-12, `weight ${m}`);
        });
        const gated = x.map((value, i) => value * present(s[FIELDS.findIndex(([, to]) => i < to)]));
        const logit = layers.linear('heads.ctr', layers.mlp('trunk', gated, 'relu'))[0];
        assertClose(present(outputs[0]?.[row]), present(logit), 1e-9, `row ${row}`);
      }
    });
  }

  it('ecm: classes by their softmax, tasks by sums of classes, loss by the class of a row', () => {
    const config = { ...ECM };
    const training = trainingProgram(config, SMALL_FEATURES, WHOLE_CHAIN);
    const random = uniform(5);
    const weights = randomParameters(training.parameters, random);
    const labels = {
      etr: [1, 1, 0, 0, 1],
      ctr: [1, 0, 0, 0, 1],
      etctr: [1, 0, 0, 0, 1],
      itr: [0, 0, 1, 1, 0],
      softmax: [],
    };
    const of = (name: string): readonly number[] => labels[name as keyof typeof labels];
    const { plan } = training;
    const batch: ReferenceBatch = {
      ...randomBatch(plan, random, { rows: 5 }),
      taskMask: Uint32Array.of(31, 31, 31, 31, 1),
      targets: plan.tasks.map(({ name }) => Float64Array.from({ length: 5 }, (_, row) => of(name)[row] ?? 0)),
      weight: undefined,
    };
    assert.deepEqual(
      plan.tasks.map(({ name, weight }) => [name, weight]),
      [...WHOLE_CHAIN.map(({ name }) => [name, 0]), ['softmax', 1]],
    );
    assert.equal(training.sources.at(-1), 'etr');
    const found = runReference(plan, weights, { ...batch, taskMask: Uint32Array.of(31, 31, 31, 31, 17) }, RUN);
    const layers = new Layers(weights);
    let expected = 0;
    for (let row = 0; row < 5; row += 1) {
      const h = layers.mlp('trunk', input(weights, batch, row), 'relu');
      const classes = softmax(
        ['both', 'first', 'neither'].map((name) => present(layers.linear(`heads.softmax.${name}`, h)[0])),
      );
      const [both = 0, first = 0, neither = 0] = classes;
      const read = { etr: both + first, ctr: both / (both + first), etctr: both, itr: neither };
      plan.outputs.forEach(({ name }, i) => {
        assertClose(
          sigmoid(present(found.outputs[i]?.[row])),
          read[name as keyof typeof read],
          1e-9,
          `${name}, row ${row}`,
        );
      });
      // The last row lacks the label of clicks: it counts among the rows of the mean, and has no loss.
      if (row < 4) expected -= Math.log(present(classes[labels.etctr[row] === 1 ? 0 : labels.etr[row] === 1 ? 1 : 2]));
    }
    assertClose(found.loss, expected / 5, 1e-9, 'loss');
  });
});

describe('a sample undone in the logits', () => {
  /** Of 100 clicked rows all are kept, of 200 exposed ones half, of 1000 others a tenth. */
  const [clicked, exposed, others] = [
    { kept: 100, raw: 100 },
    { kept: 100, raw: 200 },
    { kept: 100, raw: 1000 },
  ];
  const sum = (a: Sample, b: Sample): Sample => ({ kept: a.kept + b.kept, raw: a.raw + b.raw });
  const samples: Readonly<Record<string, TaskSample>> = {
    etr: { positives: sum(clicked, exposed), negatives: others },
    ctr: { positives: clicked, negatives: exposed },
    etctr: { positives: clicked, negatives: sum(exposed, others) },
    itr: { positives: others, negatives: sum(clicked, exposed) },
  };
  const sampled = WHOLE_CHAIN.map((task) => ({ ...task, sample: present(samples[task.name]) }));
  const batchOf = (plan: Plan, random: () => number): ReferenceBatch => ({
    ...randomBatch(plan, random, { rows: 3 }),
    taskMask: new Uint32Array(3).fill(31),
    targets: plan.tasks.map(({ name }) => Float64Array.of(1, name === 'etr' ? 1 : 0, name === 'itr' ? 1 : 0)),
    weight: undefined,
  });

  it('ecm: a class has the log of its rate', () => {
    const { plan, parameters } = trainingProgram(ECM, SMALL_FEATURES, sampled);
    const random = uniform(41);
    const weights = randomParameters(parameters, random);
    const batch = batchOf(plan, random);
    const layers = new Layers(weights);
    const rates = [1, 0.5, 0.1];
    let expected = 0;
    for (let row = 0; row < 3; row += 1) {
      const h = layers.mlp('trunk', input(weights, batch, row), 'relu');
      const logits = ['both', 'first', 'neither'].map((name) => present(layers.linear(`heads.softmax.${name}`, h)[0]));
      const classes = softmax(logits.map((logit, c) => logit + Math.log(present(rates[c]))));
      expected -= Math.log(present(classes[row])) / 3;
    }
    assertClose(runReference(plan, weights, batch, RUN).loss, expected, 1e-9, 'loss');
  });

  it('cold: a task has the log of the ratio of its rates, and predictions have none', () => {
    const tasks = sampled.map((task) => ({ ...task, weight: 1 }));
    const { plan, parameters } = trainingProgram(COLD, SMALL_FEATURES, tasks);
    const random = uniform(43);
    const weights = randomParameters(parameters, random);
    const batch = batchOf(plan, random);
    const { loss } = runReference(plan, weights, batch, RUN);
    const predicted = predictionProgram(COLD, SMALL_FEATURES, tasks).plan;
    const { outputs } = runReference(predicted, weights, batch, RUN);
    const rates: Readonly<Record<string, number>> = {
      etr: 200 / 300 / 0.1,
      ctr: 1 / 0.5,
      etctr: 1 / (200 / 1200),
      itr: 0.1 / (200 / 300),
    };
    let expected = 0;
    predicted.outputs.forEach(({ name }, i) => {
      for (let row = 0; row < 3; row += 1) {
        const a = present(outputs[i]?.[row]) + Math.log(present(rates[name]));
        expected += (Math.log1p(Math.exp(a)) - present(batch.targets?.[i]?.[row]) * a) / 3;
      }
    });
    assertClose(loss, expected, 1e-9, 'loss');
  });
});

describe('fscd', () => {
  const costs = [0.41, 7.01, 0.54, 1.72];

  it('costs a field its operations, width and keys', () => {
    fieldCosts(FSCD, SMALL_FEATURES).forEach((cost, field) => {
      assertClose(cost, present(costs[field]), 1e-12, `field ${field}`);
    });
    const published = { ...FSCD, embeddingDim: 8, complexity: PUBLISHED };
    const [age, price, country, ad] = fieldCosts(published, SMALL_FEATURES);
    assert.deepEqual(
      [age, price, country, ad].map((cost) => Math.round((cost ?? 0) * 100) / 100),
      [0.41, 1.51, 0.48, 1.58],
    );
  });

  it('drops fields by draws of the step, adds their expected cost, and predicts with keep probabilities', () => {
    const { plan, parameters } = trainingProgram(FSCD, SMALL_FEATURES, CLICK);
    const random = uniform(7);
    const weights = randomParameters(parameters, random);
    const rows = 4;
    const batch: ReferenceBatch = {
      ...randomBatch(plan, random, { rows }),
      taskMask: new Uint32Array(rows).fill(3),
      targets: plan.tasks.map(() => Float64Array.of(1, 0, 0, 1)),
      weight: undefined,
    };
    const layers = new Layers(weights);
    const keep = present(weights.get('keep.logits'));
    const gate = plan.segments.flatMap(({ ops }) => ops).find(({ kind }) => kind === 'hardConcrete');
    const noise = gateNoise({ seed: 1, step: 9, operation: present(gate).id }, keep.length);
    const z = [...keep].map((logit, j) => sigmoid((logit + present(noise[j])) / FSCD.temperature));
    const logit = (row: number, scale: Vector): number => {
      const x = input(weights, batch, row).map(
        (value, i) => value * present(scale[FIELDS.findIndex(([, to]) => i < to)]),
      );
      return present(layers.linear('heads.ctr', layers.mlp('trunk', x, 'relu'))[0]);
    };
    const bce = (a: number, y: number): number => Math.log1p(Math.exp(-Math.abs(a))) + Math.max(a, 0) - y * a;
    let expected = FSCD.complexity.weight * dot(z, costs);
    for (let row = 0; row < rows; row += 1) expected += bce(logit(row, z), [1, 0, 0, 1][row] ?? 0) / rows;
    assertClose(runReference(plan, weights, batch, { seed: 1, step: 9 }).loss, expected, 1e-9, 'loss');
    const prediction = predictionProgram(FSCD, SMALL_FEATURES, CLICK);
    const { outputs } = runReference(prediction.plan, weights, batch, RUN);
    for (let row = 0; row < rows; row += 1) {
      assertClose(present(outputs[0]?.[row]), logit(row, [...keep].map(sigmoid)), 1e-9, `row ${row}`);
    }
  });
});

describe('ecmm', () => {
  const TRANSFORMING = { ...ECMM, routing: { ...ECMM.routing, transform: true } };
  const heads = WHOLE_CHAIN.filter(({ name }) => name !== 'ctr');
  const { low, high, temperature } = ECMM.routing;
  const open = (logit: number): number => Math.min(Math.max(sigmoid(logit) * (high - low) + low, 0), 1);

  /** The three towers of one row, with given connections: [outputs][inputs] of each layer. */
  function chain(weights: Weights, x: Vector, z: readonly (readonly Vector[])[]): number[] {
    const layers = new Layers(weights);
    const gated = x.map((value, i) => value * sigmoid(present(layers.linear('gate', x)[i])));
    const mixed = (values: readonly Vector[], layer: number, output: number): Vector => {
      const gates = present(z[layer]?.[output]);
      const given = values.map((value, i) => {
        const connection = `routing.${layer}.${output}.${i}`;
        return weights.has(`${connection}.weight`) ? layers.linear(connection, value) : value;
      });
      return sumOf(given.map((value, i) => scaled(value, present(gates[i]))));
    };
    const first = [0, 1, 2].map((net) => relu(layers.linear(`subnets.0.${net}`, gated)));
    const second = [0, 1].map((net) => relu(layers.linear(`subnets.1.${net}`, mixed(first, 0, net))));
    return heads.map(({ name }, t) => layers.logit(`towers.${name}`, mixed(second, 1, t)));
  }

  const gatesOf = (weights: Weights, gate: (logit: number, i: number, layer: number) => number): Vector[][] =>
    [
      [2, 3],
      [3, 2],
    ].map(([outputs = 0, inputs = 0], layer) => {
      const logits = present(weights.get(`routing.${layer}.logits`));
      return Array.from({ length: outputs }, (_, b) =>
        Array.from({ length: inputs }, (_unused, i) => gate(present(logits[b * inputs + i]), b * inputs + i, layer)),
      );
    });

  for (const [routing, config] of [
    ['outputs', ECMM],
    ['outputs through a matrix each', TRANSFORMING],
  ] as const) {
    it(`routes ${routing} of sub-networks to towers by drawn gates, and adds the expected number of open ones`, () => {
      const { plan, parameters } = trainingProgram(config, SMALL_FEATURES, heads);
      assert.equal(
        parameters.some(({ name }) => name === 'routing.0.1.2.weight'),
        config.routing.transform,
      );
      const random = uniform(13);
      const weights = randomParameters(parameters, random);
      const batch = {
        ...randomBatch(plan, random, { rows: 3 }),
        taskMask: new Uint32Array(3).fill(15),
        weight: undefined,
      };
      const targets = plan.tasks.map(() => Float64Array.of(1, 0, 1));
      const drawn = plan.segments.flatMap(({ ops }) => ops).filter(({ kind }) => kind === 'hardConcrete');
      const noise = drawn.map(({ id }) => gateNoise({ seed: 1, step: 0, operation: id }, 6));
      const z = gatesOf(weights, (logit, i, layer) => {
        const s = sigmoid((logit + present(noise[layer]?.[i])) / temperature);
        return Math.min(Math.max(s * (high - low) + low, 0), 1);
      });
      const live = gatesOf(weights, (logit) => sigmoid(logit - temperature * Math.log(-low / high)));
      let expected = ECMM.routing.l0 * live.flat(2).reduce((sum, p) => sum + p, 0);
      for (let row = 0; row < 3; row += 1) {
        const logits = chain(weights, input(weights, batch, row), z);
        for (const a of logits) expected += (Math.log1p(Math.exp(a)) - present([1, 0, 1][row]) * a) / 3;
      }
      const weighted = {
        ...plan,
        tasks: plan.tasks.map((task) => ({ ...task, weight: task.kind === 'mean' ? task.weight : 1 })),
      };
      assertClose(runReference(weighted, weights, { ...batch, targets }, RUN).loss, expected, 1e-9, 'loss');
    });
  }

  for (const [name, logits] of [
    ['some connections closed', [9, -9, 1, -9, -9, 2, 1, -9, -9, 3, 0.5, -9]],
    ['a tower and a sub-network cut off', [-9, -9, 1, 2, -9, 2, 1, -9, -9, -9, 0.5, -9]],
    ['everything closed', new Array<number>(12).fill(-9)],
    ['everything open', new Array<number>(12).fill(1)],
  ] as const) {
    for (const config of [ECMM, TRANSFORMING]) {
      it(`gives the same scores from the pruned program in fewer operations: ${name}${config.routing.transform ? ', with matrices' : ''}`, () => {
        const whole = predictionProgram(config, SMALL_FEATURES, heads);
        const random = uniform(29);
        const weights = randomParameters(whole.parameters, random);
        weights.set('routing.0.logits', Float64Array.from(logits.slice(0, 6)));
        weights.set('routing.1.logits', Float64Array.from(logits.slice(6)));
        const read = (parameter: string): Float32Array => Float32Array.from(present(weights.get(parameter)));
        const pruned = predictionProgram(config, SMALL_FEATURES, heads, { weights: read });
        assert.deepEqual(verifyPlan(pruned.plan), []);
        const batch = randomBatch(whole.plan, random, { rows: 5 });
        const expected = runReference(whole.plan, weights, batch, RUN).outputs;
        const found = runReference(pruned.plan, weights, sameInputs(whole.plan, pruned.plan, batch), RUN).outputs;
        const z = gatesOf(weights, open);
        for (let row = 0; row < batch.rows; row += 1) {
          const plain = chain(weights, input(weights, batch, row), z);
          pruned.plan.outputs.forEach(({ name: output }, i) => {
            assert.equal(output, whole.plan.outputs[i]?.name);
            assertClose(present(expected[i]?.[row]), present(plain[i]), 1e-9, `${output} of row ${row}`);
            assertClose(present(found[i]?.[row]), present(plain[i]), 1e-9, `pruned ${output} of row ${row}`);
          });
        }
        const operations = ({ plan }: { plan: Plan }): number =>
          plan.segments.flatMap(({ ops }) => ops).reduce((sum, op) => sum + operationCost(plan, op, 1).flops, 0);
        if (name === 'everything open') assert.equal(operations(pruned), operations(whole));
        else assert.ok(operations(pruned) < operations(whole));
      });
    }
  }
});

/** Inputs of a batch for `from` as those of a plan that reads some of them. */
function sameInputs(from: Plan, to: Plan, batch: ReferenceBatch): ReferenceBatch {
  const dense = to.denseInputs.map(({ name }) =>
    present(batch.dense[from.denseInputs.findIndex((input) => input.name === name)]),
  );
  const ids = to.idInputs.map(({ name }) =>
    present(batch.ids?.[from.idInputs.findIndex((input) => input.name === name)]),
  );
  return { ...batch, dense, ids };
}
