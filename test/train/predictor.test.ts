/** Prediction with the user side once per request: when, and that it changes nothing. */
import assert from 'node:assert/strict';
import type { ModelConfig } from '../../src/config/models.js';
import type { FeatureMap } from '../../src/data/features.js';
import { predictionProgram, trainingProgram } from '../../src/models/registry.js';
import { loadAddon } from '../../src/runtime/load.js';
import type { Addon, NativeParameterStore } from '../../src/runtime/native.js';
import type { AssembledModel } from '../../src/train/assemble.js';
import { type PredictedSet, Predictor, readPredictions, runsByRequest } from '../../src/train/predictor.js';
import { categorical, DLRM, dense, featureMap, TASKS, TWO_TOWER, table } from '../models/fixtures.js';
import { arrayDataset, random } from '../support/arrays.js';

const ROWS = 1000;
const REQUEST_ROWS = 7;
const USER_COLUMNS = ['feature.age', 'feature.country', 'feature.hour'];

const FEATURES: FeatureMap = featureMap(
  [
    dense('age', 'user'),
    categorical('country', 'user'),
    dense('hour', 'context'),
    dense('price', 'ad'),
    categorical('ad_id', 'ad'),
  ],
  [table('country', 7, 4), table('ad_id', 33, 4)],
);

/** User and context columns are functions of the request. */
function columns() {
  const next = random(5);
  const ofRequest = Array.from({ length: ROWS }, () => [next(), next(), next()] as const);
  const request = (row: number) => Math.floor(row / REQUEST_ROWS);
  const floats = (f: (row: number) => number) => Float32Array.from({ length: ROWS }, (_, row) => f(row));
  const codes = (f: (row: number) => number) => Uint32Array.from({ length: ROWS }, (_, row) => Math.floor(f(row)));
  return {
    'role.request': codes(request),
    'feature.age': floats((row) => ofRequest[request(row)]?.[0] ?? 0),
    'feature.country': codes((row) => 7 * (ofRequest[request(row)]?.[1] ?? 0)),
    'feature.hour': floats((row) => ofRequest[request(row)]?.[2] ?? 0),
    'feature.price': floats(() => next()),
    'feature.ad_id': codes(() => 33 * next()),
  };
}

function assemble(config: ModelConfig): AssembledModel {
  return {
    tasks: TASKS.map((model) => ({
      name: model.name,
      model,
      prediction:
        model.kind === 'bce' ? ({ kind: 'probability' } as const) : ({ kind: 'value', scale: 0.3, shift: 2 } as const),
    })),
    training: trainingProgram(config, FEATURES, TASKS),
    diagnosis: null,
    prediction: predictionProgram(config, FEATURES, TASKS),
    requestPrediction: predictionProgram(config, FEATURES, TASKS, { requestDomain: true }),
  };
}

describe('prediction with the user side once per request', () => {
  let addon: Addon;
  let set: PredictedSet;

  before(() => {
    addon = loadAddon();
    const data = columns();
    set = { native: arrayDataset(addon, data, 333), rows: ROWS, columns: new Set(Object.keys(data)) };
  });

  function storeOf(model: AssembledModel): NativeParameterStore {
    return new addon.ParameterStore({
      parameters: model.training.parameters,
      sparse: { kind: 'sgd', beta1: 0, beta2: 0, epsilon: 1e-8, initialAccumulator: 0, l2: 0 },
      dense: {
        kind: 'sgd',
        momentum: 0,
        beta1: 0,
        beta2: 0,
        epsilon: 1e-8,
        initialAccumulator: 0,
        l2: 0,
        weightDecay: 0,
      },
      training: false,
      seed: 9,
    });
  }

  for (const config of [TWO_TOWER, DLRM]) {
    it(`${config.kind}: the same predictions, whatever requests a batch cuts`, async () => {
      const model = assemble(config);
      const store = storeOf(model);
      const constant = { ...set, constantInRequest: new Set(USER_COLUMNS) };
      assert.ok(runsByRequest(model.requestPrediction, constant));
      const expected = await new Predictor(addon, model, store, { threads: 2, batchSize: 256 }).predict(set);
      for (const batchSize of [256, 64, 10, 3]) {
        const actual = await new Predictor(addon, model, store, { threads: 2, batchSize }).predict(constant);
        assert.deepEqual([...actual.keys()], [...expected.keys()]);
        for (const [name, prediction] of expected) {
          const other = actual.get(name)?.outputs;
          assert.equal(other?.length, ROWS);
          prediction.outputs.forEach((value, row) => {
            const difference = Math.abs(value - (other?.[row] ?? Number.NaN));
            assert.ok(difference <= 2e-6 * Math.max(1, Math.abs(value)), `${name}, row ${row}: off by ${difference}`);
          });
        }
      }
      // Not by chance: the outputs differ from row to row.
      assert.ok(new Set(expected.get('ctr')?.outputs).size > ROWS / 2);
    });
  }

  it('only when every column of the user side is constant in requests', () => {
    const { requestPrediction } = assemble(TWO_TOWER);
    const runs = (changed: Partial<PredictedSet>): boolean =>
      runsByRequest(requestPrediction, { ...set, constantInRequest: new Set(USER_COLUMNS), ...changed });
    assert.ok(runs({}));
    for (const column of USER_COLUMNS) {
      assert.ok(!runs({ constantInRequest: new Set(USER_COLUMNS.filter((other) => other !== column)) }));
    }
    assert.ok(!runs({ constantInRequest: undefined }));
    assert.ok(!runs({ columns: new Set([...set.columns].filter((column) => column !== 'role.request')) }));
  });

  it('reads outputs by the task: a logit, or a scaled value', () => {
    const outputs = Float32Array.of(0.6);
    const scaled = readPredictions({ outputs, link: 'identity', scale: 0.3, shift: 1 });
    assert.ok(Math.abs((scaled[0] ?? 0) - 3) < 1e-6);
    const probabilities = readPredictions({ outputs: Float32Array.of(0, -200, 200), link: 'sigmoid' });
    assert.equal(probabilities[0], 0.5);
    assert.ok((probabilities[1] ?? 1) < 1e-80 && probabilities[2] === 1);
  });
});
