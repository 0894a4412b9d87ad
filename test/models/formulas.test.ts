/** The multi-task models against their papers' formulas, written down once more with plain float64 arrays. */
import assert from 'node:assert/strict';
import { type ModelConfig, taskModeOf } from '../../src/config/models.js';
import { verifyPlan } from '../../src/graph/index.js';
import { gatingProgram, predictionProgram, trainingProgram } from '../../src/models/registry.js';
import { assertClose } from '../graph/build.js';
import { randomBatch, randomParameters, uniform } from '../graph/random.js';
import { present, type ReferenceBatch, runReference } from '../graph/reference.js';
import { AITM, CONVERSIONS, ESMM, MLP, MMOE, PLE, SHARED_BOTTOM, TAML } from './fixtures.js';
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
} from './plain-layers.js';

const RUN = { seed: 1, step: 0 };
const HEADS = ['ctr', 'cvr'] as const;

interface Rates {
  readonly ctr: number;
  readonly cvr: number;
  readonly ctcvr: number;
}

function product(ctr: number, cvr: number): Rates {
  return { ctr: sigmoid(ctr), cvr: sigmoid(cvr), ctcvr: sigmoid(ctr) * sigmoid(cvr) };
}

function byHead(logit: (task: (typeof HEADS)[number]) => number): Rates {
  return product(logit('ctr'), logit('cvr'));
}

function ple(layers: Layers, x: Vector): Rates {
  const level = (
    l: number,
    [xs, xa, xb]: readonly [Vector, Vector, Vector],
    counts: { shared: number; own: number },
  ) => {
    const shared = layers.experts(`levels.${l}.shared.experts`, counts.shared, xs);
    const a = layers.experts(`levels.${l}.tasks.ctr.experts`, counts.own, xa);
    const b = layers.experts(`levels.${l}.tasks.cvr.experts`, counts.own, xb);
    return {
      ctr: layers.mixed(`levels.${l}.tasks.ctr.gate`, xa, [...a, ...shared]),
      cvr: layers.mixed(`levels.${l}.tasks.cvr.gate`, xb, [...b, ...shared]),
      shared: l === 0 ? layers.mixed('levels.0.shared.gate', xs, [...a, ...b, ...shared]) : xs,
    };
  };
  const first = level(0, [x, x, x], { shared: 2, own: 1 });
  const last = level(1, [first.shared, first.ctr, first.cvr], { shared: 1, own: 2 });
  return byHead((task) => layers.logit(`towers.${task}`, last[task]));
}

function aitm(layers: Layers, x: Vector): Rates {
  const q1 = layers.mlp('bottoms.ctr', x, 'relu');
  const q2 = layers.mlp('bottoms.ctcvr', x, 'relu');
  const tokens = [relu(layers.linear('transfer.ctcvr.info', q1)), q2];
  const h = (name: string, u: Vector): Vector => layers.linear(`transfer.ctcvr.${name}`, u);
  const weights = softmax(tokens.map((u) => dot(h('h1', u), h('h2', u)) / Math.sqrt(u.length)));
  const z2 = sumOf(tokens.map((u, i) => scaled(h('h3', u), present(weights[i]))));
  const ctr = sigmoid(present(layers.linear('heads.ctr', q1)[0]));
  const ctcvr = sigmoid(present(layers.linear('heads.ctcvr', z2)[0]));
  return { ctr, ctcvr, cvr: ctcvr / ctr };
}

function learnerLogits(layers: Layers, x: Vector, task: string): Vector {
  return [0, 1].map((l) => {
    const experts = [
      ...layers.experts('experts.general', 1, x),
      ...layers.experts(`experts.tasks.${task}`, 2, x),
      ...layers.experts(`experts.learners.${task}.${l}`, 1, x),
    ];
    return layers.logit(`towers.${task}.${l}`, layers.mixed(`gates.${task}.${l}`, x, experts));
  });
}

const mean = ([a = 0, b = 0]: Vector): number => (a + b) / 2;

const FORMULAS: readonly (readonly [
  ModelConfig,
  (layers: Layers, x: Vector, own: (owner: string) => Vector) => Rates,
])[] = [
  [{ ...MLP, bottom: undefined }, (layers, _x, own) => byHead((task) => layers.logit(`${task}.net`, own(`${task}.`)))],
  [SHARED_BOTTOM, (layers, x) => byHead((task) => layers.logit(`towers.${task}`, layers.mlp('shared', x, 'relu')))],
  [
    MMOE,
    (layers, x) =>
      byHead((task) =>
        layers.logit(`towers.${task}`, layers.mixed(`gates.${task}`, x, layers.experts('experts', 3, x))),
      ),
  ],
  [PLE, ple],
  [ESMM, (layers, x) => byHead((task) => layers.logit(`towers.${task}`, x))],
  [AITM, aitm],
  [TAML, (layers, x) => byHead((task) => mean(learnerLogits(layers, x, task)))],
];

describe('formulas of the multi-task models', () => {
  for (const [config, formula] of FORMULAS) {
    it(`${config.kind} predicts what its formulas give`, () => {
      const tasks = CONVERSIONS[taskModeOf(config) ?? 'separate'];
      const { plan, parameters } = predictionProgram(config, SMALL_FEATURES, tasks);
      const random = uniform(17);
      const weights = randomParameters(parameters, random);
      const batch = randomBatch(plan, random, { rows: 6 });
      const { outputs } = runReference(plan, weights, batch, RUN);
      for (let row = 0; row < batch.rows; row += 1) {
        const x = config.kind === 'mlp' ? [] : input(weights, batch, row);
        const expected = formula(new Layers(weights), x, (owner) => input(weights, batch, row, owner));
        plan.outputs.forEach(({ name }, i) => {
          const output = present(outputs[i]?.[row]);
          const read = name === 'cvr' && config.kind === 'aitm' ? Math.exp(output) : sigmoid(output);
          assertClose(read, expected[name as keyof Rates], 1e-9, `${name} of row ${row}`);
        });
      }
    });
  }

  it('shows the gates that mix', () => {
    const { program, experts } = present(
      gatingProgram(MMOE, SMALL_FEATURES, CONVERSIONS['ctr+cvr(product)']) ?? undefined,
    );
    assert.deepEqual(verifyPlan(program.plan), []);
    assert.deepEqual(
      [...experts.values()],
      HEADS.map(() => ['experts.0', 'experts.1', 'experts.2']),
    );
    const random = uniform(23);
    const weights = randomParameters(program.parameters, random);
    const batch = randomBatch(program.plan, random, { rows: 4 });
    const { outputs } = runReference(program.plan, weights, batch, RUN);
    program.plan.outputs.forEach(({ name }, i) => {
      for (let row = 0; row < batch.rows; row += 1) {
        const expected = softmax(new Layers(weights).linear(name, input(weights, batch, row)));
        expected.forEach((weight, e) => {
          assertClose(present(outputs[i]?.[row * 3 + e]), weight, 1e-12, `${name} of expert ${e}`);
        });
      }
    });
    assert.equal(gatingProgram(ESMM, SMALL_FEATURES, CONVERSIONS['ctr+cvr(product)']), null);
  });

  it('taml adds to the cross entropies those of its learners against their common prediction', () => {
    const { plan, parameters } = trainingProgram(TAML, SMALL_FEATURES, CONVERSIONS['ctr+cvr(product)']);
    const random = uniform(19);
    const weights = randomParameters(parameters, random);
    const rows = 5;
    const labels = { ctr: [1, 1, 0, 0, 1], ctcvr: [1, 0, 0, 0, 0], cvr: [1, 0, 0, 0, 0] };
    const of = (i: number): number[] => [labels.ctr, labels.cvr, labels.ctcvr, labels.ctr, labels.ctcvr][i] ?? [];
    const batch: ReferenceBatch = {
      ...randomBatch(plan, random, { rows }),
      taskMask: new Uint32Array(rows).fill(0b11111),
      targets: plan.tasks.map((_, i) => Float64Array.from(of(i))),
      weight: undefined,
    };
    const layers = new Layers(weights);
    const bce = (p: number, y: number): number => -y * Math.log(p) - (1 - y) * Math.log1p(-p);
    let expected = 0;
    for (let row = 0; row < rows; row += 1) {
      const x = input(weights, batch, row);
      const logits = HEADS.map((task) => learnerLogits(layers, x, task));
      const [ctr, cvr] = logits.map((each) => sigmoid(mean(each))) as [number, number];
      expected += bce(ctr, present(labels.ctr[row])) + bce(ctr * cvr, present(labels.ctcvr[row]));
      [ctr, cvr].forEach((p, t) => {
        const weight = t === 0 ? TAML.distillation.alpha : TAML.distillation.beta;
        for (const logit of present(logits[t])) expected += weight * bce(sigmoid(logit), p);
      });
    }
    assertClose(runReference(plan, weights, batch, RUN).loss, expected / rows, 1e-9, 'loss');
  });
});
