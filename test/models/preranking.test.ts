/** The pre-ranking models against their papers' formulas, written down once more with plain float64 arrays. */
import assert from 'node:assert/strict';
import type { ColdConfig } from '../../src/config/models.js';
import { gatingProgram, predictionProgram } from '../../src/models/registry.js';
import { assertClose } from '../graph/build.js';
import { randomBatch, randomParameters, uniform } from '../graph/random.js';
import { present, runReference } from '../graph/reference.js';
import { COLD, TASKS } from './fixtures.js';
import { dot, input, Layers, SMALL_FEATURES, sigmoid, type Vector, type Weights } from './plain-layers.js';

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
});
