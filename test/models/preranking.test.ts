/** The pre-ranking models against their papers' formulas, written down once more with plain float64 arrays. */
import assert from 'node:assert/strict';
import type { ColdConfig } from '../../src/config/models.js';
import { gatingProgram, predictionProgram, trainingProgram } from '../../src/models/registry.js';
import { assertClose } from '../graph/build.js';
import { randomBatch, randomParameters, uniform } from '../graph/random.js';
import { present, type ReferenceBatch, runReference } from '../graph/reference.js';
import { COLD, ECM, TASKS, WHOLE_CHAIN } from './fixtures.js';
import { dot, input, Layers, SMALL_FEATURES, sigmoid, softmax, type Vector, type Weights } from './plain-layers.js';

const RUN = { seed: 1, step: 0 };
const CLICK = TASKS.slice(0, 1);

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
