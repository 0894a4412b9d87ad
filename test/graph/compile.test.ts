/** Shape errors, fusion, views and memory of compiled graphs. */
import assert from 'node:assert/strict';
import { PrerankError } from '../../src/base/errors.js';
import {
  add,
  compile,
  concat,
  crossNetwork,
  dotInteraction,
  dropout,
  embedding,
  expand,
  Graph,
  gradients,
  linear,
  linearWith,
  mlp,
  mul,
  parameter,
  relu,
  rowDot,
  rowSum,
  sigmoid,
  slice,
  softmax,
  square,
  type TaskLoss,
  type Value,
  verifyPlan,
  weightedSum,
} from '../../src/graph/index.js';
import type { Plan, PlanOp, PlanValue } from '../../src/runtime/plan.js';
import { numbers, randomBatch, randomParameters, uniform } from './random.js';
import { present, runReference } from './reference.js';

function operations(plan: Plan): PlanOp[] {
  return plan.segments.flatMap(({ ops }) => ops);
}

function count(plan: Plan, kind: string): number {
  return operations(plan).filter((op) => op.kind === kind).length;
}

function valueNamed(plan: Plan, name: string): PlanValue {
  return present(
    plan.values.find((value) => value.name === name),
    name,
  );
}

function task(logits: Value, name = 'ctr'): TaskLoss {
  return { name, kind: 'bce', weight: 1, delta: 1, logits };
}

describe('shape errors', () => {
  const cases: readonly (readonly [string, (graph: Graph) => unknown, RegExp])[] = [
    [
      'elementwise',
      (g) => g.scope('tower', () => mul(g.input('a', 'row', 3), g.input('b', 'row', 4), 'hadamard')),
      /tower\.hadamard.*row \[3\].*row \[4\]/,
    ],
    [
      'linear',
      (g) => linearWith(g.input('x', 'row', 3), parameter(g, 'w', [2, 5], { kind: 'zero' }), undefined, 'head'),
      /head.*row \[3\].*none \[2, 5\]/,
    ],
    [
      'bias',
      (g) =>
        linearWith(
          g.input('x', 'row', 3),
          parameter(g, 'w', [2, 3], { kind: 'zero' }),
          parameter(g, 'b', [3], { kind: 'zero' }),
          'head',
        ),
      /head.*none \[2, 3\].*none \[3\]/,
    ],
    [
      'request and row',
      (g) => add(g.input('u', 'request', 3), g.input('a', 'row', 3)),
      /add.*request \[3\].*row \[3\]/,
    ],
    ['expand', (g) => expand(g.input('a', 'row', 3), 'up'), /up.*row \[3\]/],
    ['softmax', (g) => softmax(g.input('a', 'row', 7), { group: 3, name: 'gate' }), /gate.*\[7\].*\[3\]/],
    [
      'weightedSum',
      (g) => weightedSum(g.input('g', 'row', 3), g.input('e', 'row', 7), 'mix'),
      /mix.*row \[3\].*row \[7\]/,
    ],
    ['dotInteraction', (g) => dotInteraction(g.input('x', 'row', 10), 4, 'dots'), /dots.*row \[10\].*\[4\]/],
    ['rowDot', (g) => rowDot(g.input('a', 'row', 2), g.input('b', 'row', 3), 'score'), /score.*row \[2\].*row \[3\]/],
    ['slice', (g) => slice(g.input('a', 'row', 4), 2, 3, 'part'), /part.*\[2, 5\).*row \[4\]/],
    ['dropout', (g) => dropout(g.input('a', 'row', 4), 1, 'drop'), /drop.*rate 1/],
    [
      'tables',
      (g) => {
        const options = { domain: 'row' } as const;
        embedding(g, 'a', { ...options, table: { name: 't', rows: 3, dim: 2 } });
        embedding(g, 'b', { ...options, table: { name: 't', rows: 3, dim: 4 } });
      },
      /embeddings\.t.*\[3, 2\].*\[3, 4\]/,
    ],
    [
      'loss',
      (g) => compile({ graph: g, outputs: {}, losses: [task(g.input('x', 'row', 2))] }),
      /loss.*row \[2\].*row \[1\]/,
    ],
    [
      'parameter names',
      (g) => {
        linear(g.input('x', 'row', 2), 'same', { out: 2 });
        linear(g.input('y', 'row', 2), 'same', { out: 2 });
      },
      /same\.weight.*exists/,
    ],
    ['sizes', (g) => linear(g.input('x', 'row', 2), 'empty', { out: 0 }), /empty\.weight.*\[0, 2\]/],
  ];
  for (const [name, build, message] of cases) {
    it(`${name}: names the layer and the shapes`, () => {
      assert.throws(
        () => build(new Graph()),
        (error) => {
          assert.ok(error instanceof PrerankError, String(error));
          assert.equal(error.code, 'GRAPH_INVALID');
          assert.match(error.message, message);
          return true;
        },
      );
    });
  }
});

describe('fusion', () => {
  it('merges linear, bias and activation into one operation', () => {
    const g = new Graph();
    const w = parameter(g, 'w', [4, 3], { kind: 'zero' });
    const b = parameter(g, 'b', [4], { kind: 'zero' });
    const y = relu(add(linearWith(g.input('x', 'row', 3), w, undefined), b));
    const { plan } = compile({ graph: g, outputs: { y } });
    assert.deepEqual(
      operations(plan).map(({ kind, inputs }) => [kind, inputs.length]),
      [['linear', 3]],
    );
    assert.equal(present(operations(plan)[0]).attributes.activation, 'relu');
  });

  it("takes a ReLU's gradient into the product that makes its operand", () => {
    const g = new Graph();
    const hidden = linear(g.input('x', 'row', 3), 'hidden', { out: 4, activation: 'relu' });
    const y = linear(hidden, 'top', { out: 1 });
    const losses = [{ name: 'y', kind: 'mse', weight: 1, delta: 1, logits: y } as const];
    const { plan } = compile({ graph: g, outputs: {}, losses });
    const backward = operations(plan).filter((operation) => operation.backward);
    assert.deepEqual(backward.map(({ kind }) => kind).sort(), ['linear.dw', 'linear.dw', 'linear.dx']);
    assert.equal(present(backward.find(({ kind }) => kind === 'linear.dx')).inputs.length, 3);
  });

  it('keeps a linear result that is read elsewhere', () => {
    const g = new Graph();
    const y = linear(g.input('x', 'row', 3), 'layer', { out: 4 });
    const { plan } = compile({ graph: g, outputs: { z: mul(relu(y), y) } });
    assert.deepEqual(
      operations(plan).map(({ kind }) => kind),
      ['linear', 'activation', 'mul'],
    );
  });

  it('crosses with the first vector and adds what was before', () => {
    const g = new Graph();
    const y = crossNetwork(g.input('x', 'row', 2), 'cross', { layers: 2, rank: 1 });
    const { plan } = compile({ graph: g, outputs: { y } });
    const weights = new Map(
      Object.entries({
        'cross.0.down.weight': [1, 2],
        'cross.0.up.weight': [3, -1],
        'cross.0.up.bias': [0.5, 0],
        'cross.1.down.weight': [-1, 1],
        'cross.1.up.weight': [0.25, 2],
        'cross.1.up.bias': [0, 1],
      }).map(([name, values]) => [name, Float64Array.from(values)] as const),
    );
    const { outputs } = runReference(plan, weights, { rows: 1, dense: [Float64Array.of(2, 3)] }, { seed: 1, step: 0 });
    // V x = 8, x_1 = (2 (24 + .5) + 2, 3 (−8) + 3) = (51, −21); V x_1 = −72, x_2 = (2 (−18) + 51, 3 (−144 + 1) − 21).
    assert.deepEqual([...present(outputs[0])], [15, -450]);
  });

  it('joins all lookups of a domain and all losses', () => {
    const g = new Graph();
    const options = { table: { name: 't', rows: 5, dim: 2 }, domain: 'row' } as const;
    const x = concat([embedding(g, 'a', options), embedding(g, 'b', options), embedding(g, 'c', options)]);
    const logits = ['p', 'q'].map((name) => linear(x, name, { out: 1 }));
    const losses = [...logits.map((value, i) => task(value, `t${i}`)), task(present(logits[0]), 'teacher')];
    const { plan } = compile({ graph: g, outputs: {}, losses });
    assert.equal(count(plan, 'embedding'), 1);
    assert.equal(count(plan, 'loss'), 1);
    assert.deepEqual(
      plan.tasks.map(({ logits: index }) => index),
      [0, 1, 0],
    );
    assert.equal(plan.sparseGradients.length, 3);
    assert.equal(plan.tables.length, 1);
  });

  it('drops dropout from prediction plans only', () => {
    const g = new Graph();
    const y = linear(dropout(g.input('x', 'row', 3), 0.5), 'layer', { out: 1 });
    assert.equal(count(compile({ graph: g, outputs: { y } }).plan, 'dropout'), 0);
    assert.equal(count(compile({ graph: g, outputs: { y }, losses: [task(y)] }).plan, 'dropout'), 1);
  });

  it('leaves out what no output needs', () => {
    const g = new Graph();
    const x = g.input('x', 'row', 3);
    const y = linear(x, 'used', { out: 1 });
    linear(g.input('other', 'row', 2), 'unused', { out: 1 });
    const { plan, parameters } = compile({ graph: g, outputs: { y } });
    assert.deepEqual(
      parameters.map(({ name }) => name),
      ['used.weight', 'used.bias'],
    );
    assert.deepEqual(
      plan.denseInputs.map(({ name }) => name),
      ['x'],
    );
  });
});

describe('views and memory', () => {
  it('writes nested concats in place', () => {
    const g = new Graph();
    const a = relu(g.input('a', 'row', 3), 'ra');
    const b = relu(g.input('b', 'row', 4), 'rb');
    const c = relu(g.input('c', 'row', 5), 'rc');
    const all = concat([concat([a, b], 'inner'), c], 'outer');
    const { plan } = compile({ graph: g, outputs: { y: square(all) } });
    assert.equal(count(plan, 'copy'), 0);
    const root = plan.values.indexOf(valueNamed(plan, 'outer'));
    assert.deepEqual(
      ['ra', 'rb', 'rc', 'inner'].map((name) => {
        const value = valueNamed(plan, name);
        return [value.root, value.column];
      }),
      [
        [root, 0],
        [root, 3],
        [root, 7],
        [root, 0],
      ],
    );
  });

  it('copies inputs and values that are placed elsewhere', () => {
    const g = new Graph();
    const x = g.input('x', 'row', 3);
    const a = relu(x);
    const { plan } = compile({ graph: g, outputs: { y: concat([x, a, concat([a, a])]) } });
    assert.equal(count(plan, 'copy'), 3);
  });

  it('reuses slots: a deep tower needs no more memory than a shallow one', () => {
    const tileFloats = (depth: number): number => {
      const g = new Graph();
      const y = mlp(g.input('x', 'row', 32), 'tower', { sizes: [...Array(depth).fill(32), 1] });
      return compile({ graph: g, outputs: { y } }).plan.tileFloats;
    };
    assert.equal(tileFloats(20), 64);
    assert.equal(tileFloats(3), 64);
  });

  it('pads wide rows to cache lines', () => {
    const g = new Graph();
    const y = square(square(g.input('x', 'row', 17)));
    const { plan } = compile({ graph: g, outputs: { y: rowSum(y) } });
    assert.deepEqual(
      plan.values.filter(({ storage }) => storage === 'tile').map(({ stride }) => stride),
      [32, 32],
    );
  });

  it('keeps values that cross segments, outputs and pooled gradients for the whole batch', () => {
    const g = new Graph();
    const options = { table: { name: 't', rows: 5, dim: 3 }, domain: 'request' } as const;
    const user = sigmoid(embedding(g, 'u', options), 'user');
    const logits = rowDot(expand(user), linear(g.input('a', 'row', 4), 'ad', { out: 3 }), 'logits');
    const { plan } = compile({ graph: g, outputs: { ctr: logits }, losses: [task(logits)] });
    assert.deepEqual(
      plan.segments.map(({ domain, phase }) => [domain, phase]),
      [
        ['request', 'tiles'],
        ['row', 'tiles'],
        ['request', 'tiles'],
      ],
    );
    assert.equal(valueNamed(plan, 'user').storage, 'full');
    assert.equal(valueNamed(plan, 'logits').storage, 'full');
    assert.equal(present(plan.values[present(plan.sparseGradients[0]).value]).storage, 'full');
    assert.equal(valueNamed(plan, 'ad.linear').storage, 'tile');
    assert.deepEqual(verifyPlan(plan), []);
  });

  it('runs domain-none operations before the tiles and after them', () => {
    const g = new Graph();
    const gate = sigmoid(parameter(g, 'gate', [4], { kind: 'zero' }), 'open');
    const logits = rowSum(mul(g.input('x', 'row', 4), gate), 'logits');
    const { plan } = compile({ graph: g, outputs: { gate }, losses: [task(logits)] });
    assert.deepEqual(
      plan.segments.map(({ domain, phase }) => [domain, phase]),
      [
        ['none', 'prologue'],
        ['row', 'tiles'],
        ['none', 'reduced'],
      ],
    );
    assert.equal(valueNamed(plan, 'open').storage, 'none');
    assert.equal(present(plan.values[present(plan.parameters[0]).grad]).storage, 'grad');
  });

  it('finds overlaps, early reads and views out of bounds in broken plans', () => {
    const g = new Graph();
    const y = mul(square(g.input('x', 'row', 20)), g.input('z', 'row', 20));
    const { plan } = compile({ graph: g, outputs: { y: rowDot(y, square(y)) } });
    assert.deepEqual(verifyPlan(plan), []);
    const values = plan.values.map((value) => (value.storage === 'tile' ? { ...value, offset: 0 } : value));
    assert.match(verifyPlan({ ...plan, values }).join('\n'), /live at the same time/);
    const shifted = plan.values.map((value) => (value.storage === 'tile' ? { ...value, column: 30 } : value));
    assert.match(verifyPlan({ ...plan, values: shifted }).join('\n'), /columns 30\+20 of 20/);
    const late = plan.segments.map((segment) => ({ ...segment, ops: segment.ops.toReversed() }));
    assert.match(verifyPlan({ ...plan, segments: late }).join('\n'), /before it is written/);
  });

  it('gives the same result for any tile size', () => {
    const g = new Graph();
    const options = { table: { name: 't', rows: 9, dim: 4 }, domain: 'row', multi: true } as const;
    const x = concat([linear(g.input('x', 'row', 3), 'bottom', { out: 4 }), embedding(g, 'bag', options)]);
    const logits = mlp(concat([x, dotInteraction(x, 4)]), 'top', { sizes: [6, 1] });
    const run = (tileRows: number): number[][] => {
      const { plan, parameters } = compile({ graph: g, outputs: { logits }, losses: [task(logits)], tileRows });
      const random = uniform(1);
      const weights = randomParameters(parameters, random);
      const result = runReference(plan, weights, randomBatch(plan, random, { rows: 11 }), { seed: 1, step: 0 });
      return [...result.outputs, ...result.pooled].map((values) => [...values]);
    };
    assert.deepEqual(run(3), run(256));
  });
});

describe('differentiation', () => {
  it('takes several roots: the sum of separate gradients is the joint one', () => {
    const g = new Graph();
    const x = g.input('x', 'row', 3);
    const shared = linear(x, 'shared', { out: 4, activation: 'tanh' });
    const [p, q] = ['p', 'q'].map((name) => linear(shared, name, { out: 1 })) as [Value, Value];
    const seed = g.input('seed', 'row', 1);
    const joint = gradients(
      g,
      [p, q].map((value) => ({ value, gradient: seed })),
      [shared],
    );
    const separate = [p, q].map((value) => gradients(g, [{ value, gradient: seed }], [shared]));
    const outputs = {
      joint: present(joint.get(shared)),
      p: present(present(separate[0]).get(shared)),
      q: present(present(separate[1]).get(shared)),
    };
    const { plan, parameters } = compile({ graph: g, outputs });
    const random = uniform(2);
    const batch = { rows: 5, dense: plan.denseInputs.map(({ width }) => numbers(5 * width, random)) };
    const result = runReference(plan, randomParameters(parameters, random), batch, { seed: 1, step: 0 });
    const [both, one, other] = result.outputs;
    both?.forEach((value, index) => {
      assert.ok(Math.abs(value - present(one?.[index]) - present(other?.[index])) < 1e-12);
    });
  });

  it('refuses gradients of what no loss depends on', () => {
    const g = new Graph();
    const y = linear(g.input('x', 'row', 3), 'layer', { out: 1 });
    const wrt = [g.input('unused', 'row', 2)];
    assert.throws(() => compile({ graph: g, outputs: {}, losses: [task(y)], wrt }), /unused.*no loss depends/);
  });

  it('compiles the same graph to the same plan, twice', () => {
    const g = new Graph();
    const y = mlp(g.input('x', 'row', 3), 'tower', { sizes: [4, 1] });
    const once = compile({ graph: g, outputs: { y }, losses: [task(y)] });
    const prediction = compile({ graph: g, outputs: { y } });
    const again = compile({ graph: g, outputs: { y }, losses: [task(y)] });
    assert.deepEqual(again, once);
    assert.ok(operations(prediction.plan).every(({ backward }) => !backward));
  });
});
