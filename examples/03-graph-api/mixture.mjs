/**
 * A model of one's own in a loop of one's own: a mixture of two experts over a categorical id and dense inputs,
 * written with the graph API, compiled to a plan, trained by the native core on batches made here.
 *   node examples/03-graph-api/mixture.mjs
 */
import { compile, concat, embedding, Graph, input, linear, mlp, softmax, weightedSum } from 'prerank/graph';
import { loadAddon, TASK_STATS } from 'prerank/runtime';

const ROWS = 256;
const STEPS = 300;
const TABLE = { name: 'city', rows: 20, dim: 4 };

function model() {
  const graph = new Graph();
  const dense = input(graph, 'dense', { domain: 'row', width: 3 });
  const city = embedding(graph, 'city', { table: TABLE, domain: 'row', multi: false, pooling: 'sum', weighted: false });
  const x = concat([dense, city], 'features');
  const experts = concat(
    ['first', 'second'].map((name) => mlp(x, `experts.${name}`, { sizes: [16, 8], last: 'relu' })),
    'experts',
  );
  const gates = softmax(linear(x, 'gate', { out: 2 }), { name: 'gates' });
  const logits = linear(weightedSum(gates, experts, 'mixture'), 'head', { out: 1 });
  const losses = [{ name: 'click', kind: 'bce', weight: 1, delta: 1, logits }];
  return compile({ graph, outputs: { logits }, losses });
}

/** Uniform numbers in [0, 1) from a seed (a linear congruential generator). */
function generator(seed) {
  let state = BigInt(seed);
  return () => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return Number(state >> 11n) / 2 ** 53;
  };
}

/** Clicks depend on the city in one half of the rows and on the first dense input in the other. */
function batch(random) {
  const dense = Float32Array.from({ length: ROWS * 3 }, () => random() * 2 - 1);
  const ids = Uint32Array.from({ length: ROWS }, () => Math.floor(random() * TABLE.rows));
  const clicks = Float32Array.from({ length: ROWS }, (_, row) => {
    const byCity = dense[row * 3 + 1] > 0;
    const logit = byCity ? (ids[row] % 2) * 6 - 3 : 4 * dense[row * 3];
    return random() < 1 / (1 + Math.exp(-logit)) ? 1 : 0;
  });
  return { rows: ROWS, dense: [dense], ids: [{ ids }], targets: [clicks], taskMask: new Uint32Array(ROWS).fill(1) };
}

const { ParameterStore, Program } = loadAddon();
const { plan, parameters } = model();
const moments = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, initialAccumulator: 0, l2: 0 };
const store = new ParameterStore({
  parameters,
  sparse: { kind: 'rowwise-adagrad', ...moments },
  dense: { kind: 'adam', ...moments, momentum: 0, weightDecay: 0 },
  training: true,
  seed: 1,
});
const program = new Program(plan, store, { threads: 1, capacity: ROWS, seed: 1 });

const random = generator(7);
const [LOSS, WEIGHT] = ['loss', 'weight'].map((name) => TASK_STATS.indexOf(name));
const losses = [];
for (let step = 0; step < STEPS; step++) {
  const stats = await program.step(batch(random), { step, denseLr: 0.005, sparseLr: 0.1, update: true });
  losses.push(stats[LOSS] / stats[WEIGHT]);
}
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
console.log(`parameters: ${parameters.map(({ name, shape }) => `${name} [${shape}]`).join(', ')}`);
console.log(
  `log loss: ${mean(losses.slice(0, 20)).toFixed(3)} in the first, ${mean(losses.slice(-20)).toFixed(3)} in the last 20 steps`,
);
