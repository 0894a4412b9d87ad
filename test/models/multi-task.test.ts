/** The multi-task models of clicks and conversions: names, sound plans, gradients, and native runs as on TensorFlow.js. */
import assert from 'node:assert/strict';
import { PrerankError } from '../../src/base/errors.js';
import { type ModelConfig, taskModeOf } from '../../src/config/models.js';
import { verifyPlan } from '../../src/graph/index.js';
import type { ModelTask } from '../../src/models/model.js';
import { predictionProgram, trainingProgram } from '../../src/models/registry.js';
import { loadAddon } from '../../src/runtime/load.js';
import type { Addon } from '../../src/runtime/native.js';
import { TfjsProgram } from '../../src/runtime/tfjs.js';
import { tableGradients } from '../graph/build.js';
import { assertAllClose, assertPrediction, dense, modelWeights, sparse, storeWith } from '../graph/native-support.js';
import { randomBatch, toArrayBatch, uniform } from '../graph/random.js';
import { present, runReference } from '../graph/reference.js';
import { checkDenseGradients, comparePredictions } from './checks.js';
import {
  AITM,
  COLD,
  CONVERSIONS,
  ECM,
  ECMM,
  ESMM,
  FEATURES,
  FSCD,
  MLP,
  MMOE,
  PLE,
  SHARED_BOTTOM,
  TAML,
  TASKS,
  VECTOR_PRODUCT,
  WHOLE_CHAIN,
} from './fixtures.js';

const RUN = { seed: 1, step: 0 };
const FRAMEWORK = [MLP, SHARED_BOTTOM, MMOE, PLE, COLD];
const KINDS = [...FRAMEWORK, ESMM, AITM, TAML, ECM, ECMM, FSCD];

const conversions = (config: ModelConfig): readonly ModelTask[] => CONVERSIONS[taskModeOf(config) ?? 'separate'];

type Variant = readonly [name: string, config: ModelConfig, tasks: readonly ModelTask[]];

const VARIANTS: readonly Variant[] = [
  ...KINDS.map((config): Variant => [config.kind, config, conversions(config)]),
  ...[SHARED_BOTTOM, MMOE, PLE].map(
    (config): Variant => [
      `${config.kind} with ctcvr of its own`,
      { ...config, taskMode: 'ctr+ctcvr' },
      CONVERSIONS['ctr+ctcvr'],
    ],
  ),
  ...FRAMEWORK.map((config): Variant => [`${config.kind} with the framework's heads`, config, TASKS]),
  ['omoe', { ...MMOE, gates: { bias: true, shared: true } }, CONVERSIONS['ctr+cvr(product)']],
  ['ple of one level, gates with bias', { ...PLE, levels: PLE.levels.slice(1), gates: { bias: true } }, TASKS],
  ['aitm without calibrator', { ...AITM, calibrator: 0 }, CONVERSIONS['ctr+ctcvr']],
  [
    'taml whose targets pass gradients, means over learners',
    { ...TAML, distillation: { ...TAML.distillation, stopGradient: false, reduce: 'mean', cvrRows: 'clicks' } },
    CONVERSIONS['ctr+cvr(product)'],
  ],
  [
    'taml with experts of learners only',
    { ...TAML, experts: { ...TAML.experts, general: 0, task: 0 } },
    CONVERSIONS['ctr+cvr(product)'],
  ],
  ['cold whose weights are of each field alone', { ...COLD, gate: 'own', bottom: [6] }, TASKS],
  [
    'cold without a gate, on some fields',
    { ...COLD, gate: 'none', fields: ['country', 'price', 'ad_id'] },
    TASKS.slice(0, 1),
  ],
  ['cold on dense features', { ...COLD, fields: ['age', 'hour', 'price'] }, TASKS.slice(0, 1)],
  ['cold on embeddings', { ...COLD, gate: 'own', fields: ['country', 'words', 'ad_id'] }, TASKS.slice(0, 1)],
  ['ecm of the whole chain', ECM, WHOLE_CHAIN],
  ['cold with a softmax beside other heads', { ...COLD, head: 'softmax' }, [...WHOLE_CHAIN, ...TASKS.slice(1)]],
  ['fscd of the whole chain', { ...FSCD, head: 'softmax', bottom: [6] }, WHOLE_CHAIN],
  ['fscd that is tuned on some fields', { ...FSCD, phase: 'tune', fields: ['country', 'price'] }, TASKS.slice(0, 1)],
  [
    'ecmm without gates',
    { ...ECMM, inputGate: false, routing: { ...ECMM.routing, gates: false } },
    WHOLE_CHAIN.filter(({ name }) => name !== 'ctr'),
  ],
  [
    'ecmm with a matrix for each connection',
    { ...ECMM, routing: { ...ECMM.routing, transform: true } },
    WHOLE_CHAIN.filter(({ name }) => name !== 'ctr'),
  ],
  [
    'ecm of a sample that its logits undo',
    ECM,
    WHOLE_CHAIN.map((task, i) => {
      const sample = { positives: { kept: 9 - i, raw: 30 - 3 * i }, negatives: { kept: 5, raw: 40 } };
      return { ...task, sample };
    }),
  ],
  ['ecmm of one layer', { ...ECMM, subnets: { counts: [4], width: 3 } }, CONVERSIONS['ctr+ctcvr']],
  ['vector-product', VECTOR_PRODUCT, TASKS.slice(0, 1)],
  [
    'mmoe with dropout',
    { ...MMOE, experts: { ...MMOE.experts, dropout: 0.2 }, towers: { hidden: [5], dropout: 0.3 } },
    CONVERSIONS['ctr+cvr(product)'],
  ],
];

function shapesOf(config: ModelConfig): Record<string, string> {
  const { parameters } = trainingProgram(config, FEATURES, conversions(config));
  return Object.fromEntries(parameters.map(({ name, shape }) => [name, shape.join('x')]));
}

describe('multi-task models', () => {
  let addon: Addon;
  before(() => {
    addon = loadAddon();
  });

  for (const [name, config, tasks] of VARIANTS) {
    it(`${name}: sound plans, the same every time`, () => {
      const training = trainingProgram(config, FEATURES, tasks);
      const prediction = predictionProgram(config, FEATURES, tasks);
      const byRequest = predictionProgram(config, FEATURES, tasks, { requestDomain: true });
      for (const { plan } of [training, prediction, byRequest]) assert.deepEqual(verifyPlan(plan), []);
      assert.deepEqual(trainingProgram(config, FEATURES, tasks), training);
      assert.deepEqual(prediction.parameters, training.parameters);
      assert.ok(training.plan.parameters.every(({ grad }) => grad >= 0));
      assert.equal(training.sources.length, training.plan.tasks.length);
    });

    // Where targets pass no gradient, the gradient is not the derivative of the loss.
    const derivable = config.kind !== 'taml' || !config.distillation.stopGradient;
    if (derivable)
      it(`${name}: gradients are those of central differences`, () => {
        const { plan, parameters } = trainingProgram(config, FEATURES, tasks);
        checkDenseGradients(plan, parameters, 9);
      });

    it(`${name}: the user side once per request gives the same predictions`, () => {
      comparePredictions(config, tasks);
    });

    it(`${name}: the native step has the reference's gradients`, async () => {
      const { plan, parameters } = trainingProgram(config, FEATURES, tasks);
      const random = uniform(21);
      const weights = modelWeights(parameters, random);
      const batch = randomBatch(plan, random, { rows: 37 });
      const store = storeWith(addon, parameters, weights);
      const program = new addon.Program(plan, store, { threads: 2, capacity: 37, seed: RUN.seed });
      await program.step(toArrayBatch(batch), { step: 0, denseLr: 1, sparseLr: 1, update: true });
      const outputs = plan.parameters.map(({ name: parameter, grad }) => ({ name: parameter, value: grad }));
      const expected = runReference({ ...plan, outputs }, weights, batch, RUN);
      const gradients = tableGradients(plan, batch, expected.pooled);
      outputs.forEach(({ name: parameter }, index) => {
        gradients.set(parameter, present(expected.outputs[index]));
      });
      assert.equal(gradients.size, parameters.length);
      for (const [parameter, gradient] of gradients) {
        const start = present(weights.get(parameter));
        const moved = store.read(parameter).map((value, index) => present(start[index]) - value);
        assertAllClose(moved, gradient, 2e-5, parameter);
      }
    });
  }

  for (const config of KINDS) {
    it(`${config.kind}: ten native steps as on TensorFlow.js`, async () => {
      const { plan, parameters } = trainingProgram(config, FEATURES, conversions(config));
      const random = uniform(41);
      const settings = { dense: dense('adam', { epsilon: 1e-4 }), sparse: sparse('rowwise-adagrad') };
      const store = storeWith(addon, parameters, modelWeights(parameters, random), settings);
      const program = new addon.Program(plan, store, { threads: 2, capacity: 33, seed: 1 });
      const tfjs = await TfjsProgram.create(plan, parameters, { ...settings, seed: 1, weights: store });
      for (let step = 0; step < 10; step += 1) {
        const batch = toArrayBatch(randomBatch(plan, random, { rows: 33 }));
        const options = { step, denseLr: 0.001, sparseLr: 0.02, update: true };
        assertAllClose(await program.step(batch, options), await tfjs.step(batch, options), 1e-5, `step ${step}`);
      }
      for (const { name } of parameters) assertAllClose(store.read(name), tfjs.read(name), 2e-5, name);
      tfjs.dispose();
    }).timeout(30_000);

    it(`${config.kind}: the native prediction gives the reference's outputs`, async () => {
      await assertPrediction(addon, predictionProgram(config, FEATURES, conversions(config), { requestDomain: true }));
    });
  }

  it('names parameters by experts, gates, learners and towers', () => {
    const taml = shapesOf(TAML);
    assert.equal(taml['experts.general.0.0.weight'], '6x21');
    assert.equal(taml['experts.tasks.cvr.1.0.bias'], '6');
    assert.equal(taml['experts.learners.ctr.1.0.0.weight'], '6x21');
    assert.equal(taml['gates.ctr.0.weight'], '4x21');
    assert.equal(taml['gates.ctr.0.bias'], undefined);
    assert.equal(taml['towers.cvr.1.1.weight'], '1x5');
    const ple = shapesOf(PLE);
    assert.equal(ple['levels.0.shared.gate.weight'], '4x21');
    assert.equal(ple['levels.0.tasks.ctr.gate.weight'], '3x21');
    assert.equal(ple['levels.1.tasks.ctr.experts.1.0.weight'], '6x7');
    assert.equal(ple['levels.1.shared.gate.weight'], undefined);
    assert.equal(shapesOf(MMOE)['gates.cvr.weight'], '3x21');
    const aitm = shapesOf(AITM);
    assert.equal(aitm['transfer.ctcvr.h3.weight'], '5x5');
    assert.equal(aitm['transfer.ctr.info.weight'], undefined);
    assert.equal(aitm['heads.ctcvr.weight'], '1x5');
    const mlp = shapesOf(MLP);
    assert.equal(mlp['embeddings.ctr.ad_id'], '33x4');
    assert.equal(mlp['embeddings.cvr.ad_id'], '33x4');
    assert.equal(mlp['embeddings.ad_id'], undefined);
    assert.equal(mlp['cvr.net.0.weight'], '9x19');
  });

  it('adds the terms of aitm and taml to the loss, on the rows of a task', () => {
    const terms = (config: ModelConfig) => {
      const { plan, sources } = trainingProgram(config, FEATURES, conversions(config));
      return plan.tasks.flatMap(({ name, kind, weight }, i) => (kind === 'mean' ? [[name, weight, sources[i]]] : []));
    };
    assert.deepEqual(terms(AITM), [['calibrator.ctcvr', 0.6, 'ctcvr']]);
    assert.deepEqual(terms(TAML), [
      ['distillation.ctr', 0.1, 'ctr'],
      ['distillation.cvr', 0.2, 'ctcvr'],
    ]);
    const clicks = { ...TAML, distillation: { ...TAML.distillation, alpha: 0, cvrRows: 'clicks' } } as const;
    assert.deepEqual(terms(clicks), [['distillation.cvr', 0.2, 'cvr']]);
    assert.deepEqual(terms(ESMM), []);
  });

  const value: ModelTask = { name: 'dwell', kind: 'mse', weight: 1, delta: 1 };
  const refused: readonly (readonly [string, ModelConfig, readonly ModelTask[], RegExp])[] = [
    [
      'a product without one of its factors',
      ESMM,
      CONVERSIONS.separate.slice(1),
      /ctcvr is made of others: name a task ctr/,
    ],
    ['a softmax without both events', ECM, WHOLE_CHAIN.slice(0, 2), /name etr and etctr, or ctr and ctcvr/],
    ['a product without exposure', ESMM, WHOLE_CHAIN.slice(1, 3), /etctr is made of others: name a task etr/],
    ['a ratio without ctcvr', AITM, [present(CONVERSIONS['ctr+ctcvr'][1]), ...TASKS.slice(0, 1)], /one task only/],
    ['a sequence with a value', AITM, [...CONVERSIONS['ctr+ctcvr'], value], /dwell predicts no probability/],
    ['two tasks of a single score', VECTOR_PRODUCT, TASKS.slice(0, 2), /vector-product gives one score, for 2 tasks/],
    ['learners of a value', TAML, [...CONVERSIONS['ctr+cvr(product)'], value], /task dwell predicts none/],
  ];
  for (const [name, config, tasks, message] of refused) {
    it(`refuses ${name}`, () => {
      assert.throws(
        () => trainingProgram(config, FEATURES, tasks),
        (error) => error instanceof PrerankError && error.code === 'CONFIG_INVALID' && message.test(error.message),
      );
    });
  }

  describe('with PWiseR', () => {
    const pwiser = {
      weight: 0.3,
      head: 'both',
      space: 'prob',
      clickMargin: 0.2,
      impressionMargin: 0.4,
      pairNorm: 'mean',
      surrogate: 'hinge',
    } as const;
    for (const config of [ESMM, AITM, PLE]) {
      const tasks = conversions(config);
      const program = () => trainingProgram(config, FEATURES, tasks, { pwiser });

      it(`${config.kind}: a sound plan whose gradients are those of central differences`, () => {
        const { plan, parameters, sources } = program();
        assert.deepEqual(verifyPlan(plan), []);
        assert.deepEqual(
          plan.segments.map(({ phase }) => phase),
          ['tiles', 'batch', 'tiles', 'batch', 'tiles'],
        );
        assert.deepEqual(sources.slice(-2), ['ctcvr', 'ctcvr']);
        checkDenseGradients(plan, parameters, 40);
      });

      it(`${config.kind}: native steps over several tiles have the reference's gradients, for any threads`, async () => {
        const { plan: bare, parameters } = program();
        const gradients = bare.parameters.map(({ name, grad }) => ({ name, value: grad }));
        const plan = { ...bare, outputs: gradients };
        const random = uniform(43);
        const weights = modelWeights(parameters, random);
        const batch = randomBatch(plan, random, { rows: 530 });
        const expected = runReference(plan, weights, batch, RUN);
        for (const threads of [1, 2]) {
          const store = storeWith(addon, parameters, weights);
          const native = new addon.Program(plan, store, { threads, capacity: 530, seed: RUN.seed });
          await native.step(toArrayBatch(batch), { step: 0, denseLr: 0, sparseLr: 0, update: false });
          gradients.forEach(({ name }, i) => {
            assertAllClose(native.readOutput(i), present(expected.outputs[i]), 2e-5, name);
          });
        }
      });
    }

    it('takes two steps as on TensorFlow.js, where all pairs are compared', async () => {
      const { plan, parameters } = trainingProgram(ESMM, FEATURES, conversions(ESMM), { pwiser });
      const settings = { dense: dense('adam', { epsilon: 1e-4 }), sparse: sparse('rowwise-adagrad') };
      const random = uniform(47);
      const store = storeWith(addon, parameters, modelWeights(parameters, random), settings);
      const program = new addon.Program(plan, store, { threads: 2, capacity: 60, seed: 1 });
      const tfjs = await TfjsProgram.create(plan, parameters, { ...settings, seed: 1, weights: store });
      for (let step = 0; step < 2; step += 1) {
        const batch = toArrayBatch(randomBatch(plan, random, { rows: 60 }));
        const options = { step, denseLr: 0.001, sparseLr: 0.02, update: true };
        assertAllClose(await program.step(batch, options), await tfjs.step(batch, options), 2e-5, `step ${step}`);
      }
      for (const { name } of parameters) assertAllClose(store.read(name), tfjs.read(name), 2e-5, name);
      tfjs.dispose();
    });

    it('needs the tasks ctr and ctcvr', () => {
      assert.throws(() => trainingProgram(MMOE, FEATURES, TASKS, { pwiser }), {
        code: 'CONFIG_INVALID',
        message: /name the tasks ctr and ctcvr/,
      });
    });
  });

  it('refuses to weigh tasks beside terms of the model', () => {
    const balancing = { kind: 'pcgrad' } as const;
    assert.throws(() => trainingProgram(TAML, FEATURES, conversions(TAML), { balancing }), {
      code: 'CONFIG_INVALID',
      message: /distillation\.ctr, distillation\.cvr.*kind: fixed/,
    });
    assert.ok(trainingProgram(ESMM, FEATURES, conversions(ESMM), { balancing }).plan.balancing);
  });
});
