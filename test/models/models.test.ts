/** Architectures: parameter names, sound plans, edge cases, and the request-domain prediction. */
import assert from 'node:assert/strict';
import { PrerankError } from '../../src/base/errors.js';
import type { ModelConfig } from '../../src/config/models.js';
import type { FeatureMap } from '../../src/data/features.js';
import { verifyPlan } from '../../src/graph/index.js';
import type { ModelTask } from '../../src/models/model.js';
import { predictionProgram, trainingProgram } from '../../src/models/registry.js';
import type { Plan } from '../../src/runtime/plan.js';
import { numbers, uniform } from '../graph/random.js';
import { present } from '../graph/reference.js';
import { checkDenseGradients, comparePredictions } from './checks.js';
import { categorical, DLRM, dense, FEATURES, featureMap, TASKS, TWO_TOWER, table } from './fixtures.js';

function kinds(plan: Plan): string[] {
  return plan.segments.flatMap(({ ops }) => ops.map(({ kind }) => kind));
}

const VARIANTS: readonly (readonly [string, ModelConfig])[] = [
  ...(['concat', 'dot', 'hadamard+dot', 'concat+hadamard'] as const).map(
    (merge) => [`two-tower ${merge}`, { ...TWO_TOWER, merge }] as const,
  ),
  ['two-tower without bottom', { ...TWO_TOWER, bottom: undefined }],
  ['two-tower without vectors', { ...TWO_TOWER, interaction: { kind: 'dot', keepVectors: false } }],
  ['two-tower without dots', { ...TWO_TOWER, interaction: { kind: 'none', keepVectors: true }, bottom: [5] }],
  [
    'two-tower with dropout',
    { ...TWO_TOWER, tower: { hidden: [9, 6], out: 5, dropout: 0.2 }, heads: { hidden: [7], dropout: 0.3 } },
  ],
  ['dlrm', DLRM],
  ['dlrm without bottom', { ...DLRM, bottom: undefined }],
  ['dlrm without vectors', { ...DLRM, interaction: { kind: 'dot', keepVectors: false } }],
  ['two-tower with cross networks', { ...TWO_TOWER, interaction: { kind: 'cross', layers: 2, rank: 3 } }],
  ['dlrm with a cross network', { ...DLRM, interaction: { kind: 'cross', layers: 2, rank: 3 } }],
  [
    'dlrm with a cross layer on raw features',
    { ...DLRM, bottom: undefined, interaction: { kind: 'cross', layers: 1, rank: 1 } },
  ],
  ['dlrm with a linear top', { ...DLRM, top: { hidden: [], dropout: 0 } }],
];

describe('models', () => {
  it('names the parameters of two-tower', () => {
    const { parameters } = trainingProgram(TWO_TOWER, FEATURES, TASKS);
    const shapes = Object.fromEntries(parameters.map(({ name, shape }) => [name, shape.join('x')]));
    assert.equal(shapes['user_tower.bottom.0.weight'], '6x2');
    assert.equal(shapes['user_tower.top.0.weight'], '9x15');
    assert.equal(shapes['ad_tower.projections.words.weight'], '4x3');
    assert.equal(shapes['heads.ctr.0.weight'], '7x15');
    assert.equal(shapes['heads.ctr.1.bias'], '1');
    assert.equal(shapes['embeddings.ad_id'], '33x4');
    assert.equal(parameters.length, 32);
  });

  it('names the parameters of dlrm and starts them as DLRM does', () => {
    const { parameters } = trainingProgram(DLRM, FEATURES, TASKS);
    const of = (name: string) =>
      present(
        parameters.find((spec) => spec.name === name),
        name,
      );
    assert.deepEqual(of('bottom.0.weight').shape, [6, 5]);
    assert.deepEqual(of('top.0.weight').shape, [11, 30]);
    assert.deepEqual(of('heads.teacher.weight').shape, [1, 6]);
    assert.deepEqual(of('top.0.weight').init, { kind: 'normal', scale: Math.sqrt(2 / 41) });
    assert.deepEqual(of('top.0.bias').init, { kind: 'normal', scale: Math.sqrt(1 / 11) });
    assert.deepEqual(of('embeddings.words').init, { kind: 'uniform', scale: 1 / Math.sqrt(19) });
    assert.equal(of('embeddings.words').table, true);
  });

  it('names the parameters of a cross network', () => {
    const config: ModelConfig = { ...DLRM, interaction: { kind: 'cross', layers: 2, rank: 3 } };
    const { parameters } = trainingProgram(config, FEATURES, TASKS);
    const shapes = new Map(parameters.map(({ name, shape }) => [name, shape.join('x')]));
    assert.equal(shapes.get('interaction.0.down.weight'), '3x20');
    assert.equal(shapes.get('interaction.1.up.weight'), '20x3');
    assert.equal(shapes.get('interaction.1.up.bias'), '20');
    assert.equal(shapes.get('top.0.weight'), '11x20');
    assert.ok(!shapes.has('interaction.0.down.bias') && !shapes.has('interaction.2.down.weight'));
  });

  for (const [name, config] of VARIANTS) {
    it(`${name}: sound plans, the same every time`, () => {
      const training = trainingProgram(config, FEATURES, TASKS);
      const prediction = predictionProgram(config, FEATURES, TASKS);
      for (const { plan } of [
        training,
        prediction,
        predictionProgram(config, FEATURES, TASKS, { requestDomain: true }),
      ]) {
        assert.deepEqual(verifyPlan(plan), []);
      }
      assert.deepEqual(trainingProgram(config, FEATURES, TASKS), training);
      assert.deepEqual(prediction.parameters, training.parameters);
      assert.ok(training.plan.parameters.every(({ grad }) => grad >= 0));
      assert.equal(training.plan.sparseGradients.length, 4);
      assert.equal(kinds(training.plan).filter((kind) => kind === 'embedding').length, 1);
      assert.equal(kinds(training.plan).filter((kind) => kind === 'loss').length, 1);
    });

    it(`${name}: gradients are those of central differences`, () => {
      const { plan, parameters } = trainingProgram(config, FEATURES, TASKS);
      checkDenseGradients(plan, parameters, 9);
    });

    it(`${name}: the user side once per request gives the same predictions`, () => {
      comparePredictions(config, TASKS);
    });
  }

  it('copies nothing in the default two-tower and dlrm: concat and dots are in place', () => {
    for (const config of [TWO_TOWER, DLRM]) {
      const { plan } = trainingProgram(config, FEATURES, TASKS);
      assert.ok(!kinds(plan).includes('copy'), config.kind);
      const grad = plan.segments.flatMap(({ ops }) => ops).filter(({ kind }) => kind === 'dotInteraction.grad');
      assert.ok(grad.every(({ attributes }) => attributes.accumulate === 1));
      assert.equal(grad.length, config.kind === 'dlrm' ? 1 : 2);
    }
  });

  it('lists the loader inputs in the order of the plan', () => {
    const { plan, dense: denseInputs, ids } = trainingProgram(TWO_TOWER, FEATURES, TASKS);
    assert.deepEqual(
      denseInputs.map(({ columns }) => columns),
      [
        ['feature.age', 'feature.hour'],
        ['feature.price', 'feature.quality', 'feature.age_days'],
      ],
    );
    assert.deepEqual(
      ids.map(({ column, tableRows, weights, pooling }) => [column, tableRows, weights, pooling]),
      [
        ['feature.country', 7, undefined, 'sum'],
        ['feature.recent_ads', 33, undefined, 'mean'],
        ['feature.ad_id', 33, undefined, 'sum'],
        ['feature.words', 19, 'weights.words', 'sum'],
      ],
    );
    ids.forEach(({ table: index, tableRows }) => {
      assert.equal(present(plan.tables[index]).rows, tableRows);
    });
  });

  it('shares the logits of another task', () => {
    const tasks: ModelTask[] = [present(TASKS[0]), { ...present(TASKS[2]), logitsOf: 'ctr' }];
    const { plan, parameters } = trainingProgram(TWO_TOWER, FEATURES, tasks);
    assert.deepEqual(
      plan.tasks.map(({ name, logits }) => [name, logits]),
      [
        ['ctr', 0],
        ['teacher', 0],
      ],
    );
    assert.ok(!parameters.some(({ name }) => name.startsWith('heads.teacher')));
    const outputs = predictionProgram(TWO_TOWER, FEATURES, tasks).plan.outputs;
    assert.deepEqual(
      outputs.map(({ name }) => name),
      ['ctr'],
    );
  });

  it('takes one feature a side', () => {
    const single = featureMap([categorical('u', 'user'), categorical('a', 'ad')], [table('u', 5, 4), table('a', 6, 4)]);
    const { plan } = trainingProgram(TWO_TOWER, single, TASKS);
    assert.ok(!kinds(plan).includes('dotInteraction'));
    assert.equal(plan.denseInputs.length, 0);
    const onlyDense = featureMap([dense('u', 'user'), dense('a', 'ad')], []);
    assert.equal(trainingProgram(TWO_TOWER, onlyDense, TASKS).plan.tables.length, 0);
    assert.equal(trainingProgram(DLRM, featureMap([dense('x', 'context')], []), TASKS).plan.tables.length, 0);
  });

  const bad: readonly (readonly [string, ModelConfig, FeatureMap, readonly ModelTask[], RegExp])[] = [
    ['an empty ad side', TWO_TOWER, featureMap([dense('u', 'user')], []), TASKS, /ad tower has no feature/],
    ['an empty user side', TWO_TOWER, featureMap([dense('a', 'ad')], []), TASKS, /user tower has no feature/],
    ['no feature', DLRM, featureMap([], []), TASKS, /no feature/],
    ['no task', DLRM, FEATURES, [], /no task/],
    ['a bottom of another width', { ...DLRM, bottom: [8, 5] }, FEATURES, TASKS, /ends in 5.*embeddingDim is 4/],
    [
      'a missing table',
      DLRM,
      featureMap([categorical('x', 'user', 'gone')], []),
      TASKS,
      /feature "x" uses table "gone"/,
    ],
    [
      'nothing left of a single embedding',
      { ...DLRM, interaction: { kind: 'dot', keepVectors: false } },
      featureMap([categorical('x', 'user')], [table('x', 3, 4)]),
      TASKS,
      /keepVectors: true/,
    ],
    [
      'logits of a task without a head',
      DLRM,
      FEATURES,
      [{ ...present(TASKS[0]), logitsOf: 'other' }],
      /"ctr" trains on the logits of "other"/,
    ],
  ];
  for (const [name, config, features, tasks, message] of bad) {
    it(`refuses ${name}`, () => {
      assert.throws(
        () => trainingProgram(config, features, tasks),
        (error) => error instanceof PrerankError && error.code === 'CONFIG_INVALID' && message.test(error.message),
      );
    });
  }
});

describe('reference numbers', () => {
  it('are exact in float32, so that native runs see the same inputs', () => {
    assert.ok(numbers(50, uniform(1)).every((value) => Math.fround(value) === value));
  });
});
