/** Losses that models are made of: worked examples, extremes, and gradients in float64. */
import assert from 'node:assert/strict';
import { affine, compile, concat, Graph, type TaskLoss, type Value } from '../../src/graph/index.js';
import { calibrator } from '../../src/losses/calibrator.js';
import { logRatio, productLogit } from '../../src/losses/product.js';
import { type PairClass, pairwiseLoss } from '../../src/losses/pwiser.js';
import { meanLogit, selfDistillation } from '../../src/losses/self-distillation.js';
import { assertClose } from '../graph/build.js';
import { present, runReference } from '../graph/reference.js';

interface Evaluated {
  readonly loss: number;
  readonly output: number;
  /** By logit. */
  readonly gradients: readonly number[];
}

/** One row: the loss and its gradients by the logits, in float64. */
function evaluate(
  logits: readonly number[],
  build: (logits: readonly Value[]) => Pick<TaskLoss, 'kind' | 'logits'>,
  target = 0,
): Evaluated {
  const graph = new Graph();
  const inputs = logits.map((_, i) => graph.input(`a${i}`, 'row', 1));
  const built = build(inputs.map((value, i) => affine(value, 1, 0, `logit${i}`)));
  const losses: TaskLoss[] = [{ name: 'task', weight: 1, delta: 1, ...built }];
  const { plan } = compile({ graph, outputs: { output: built.logits }, losses, wrt: inputs });
  const { loss, outputs } = runReference(
    plan,
    new Map(),
    {
      rows: 1,
      dense: plan.denseInputs.map(({ name }) => Float64Array.of(present(logits[Number(name.slice(1))]))),
      taskMask: Uint32Array.of(1),
      targets: [Float64Array.of(target)],
    },
    { seed: 1, step: 0 },
  );
  const at = (name: string): number =>
    present(outputs[plan.outputs.findIndex((output) => output.name === name)]?.[0], name);
  return { loss, output: at('output'), gradients: logits.map((_, i) => at(`gradient.a${i}`)) };
}

function assertNear(actual: readonly number[], expected: readonly number[], tolerance = 5e-7): void {
  assert.equal(actual.length, expected.length);
  actual.forEach((value, i) => {
    assertClose(value, present(expected[i]), tolerance, String(i));
  });
}

const product = (logits: readonly Value[]) =>
  ({ kind: 'bce', logits: productLogit(present(logits[0]), present(logits[1])) }) as const;

describe('product of probabilities', () => {
  it('gives the worked examples', () => {
    const { output, loss, gradients } = evaluate([-1, 0.5], product);
    assertNear([1 / (1 + Math.exp(-output)), loss], [0.167405, 0.183208], 1e-6);
    assertNear(gradients, [0.14699, 0.07591], 1e-6);
    const positive = evaluate([-1, 0.5], product, 1);
    assertNear([positive.loss, ...positive.gradients], [1.787339, -0.731059, -0.377541], 1e-6);
    assertNear(evaluate([2, -3], product).gradients, [0.005196, 0.041526], 1e-6);
  });

  it('keeps its digits where the product, or what it lacks to 1, is tiny', () => {
    // log p = −softplus(20) − softplus(20); 1 − p = 2 e^−20 to the first order.
    assertNear([evaluate([-20, -20], product, 1).loss], [40 + 2 * Math.log1p(Math.exp(-20))], 1e-12);
    assertNear([evaluate([20, 20], product).loss / (20 - Math.log(2))], [1], 1e-9);
    assertNear(evaluate([300, -2], product, 1).gradients, [0, -1 / (1 + Math.exp(-2))], 1e-12);
    for (const logits of [
      [80, 80],
      [-80, -80],
      [-80, 80],
    ]) {
      const { loss, gradients } = evaluate(logits, product);
      assert.ok([loss, ...gradients].every(Number.isFinite), `${logits}: ${loss}, ${gradients}`);
    }
  });

  it('divides probabilities', () => {
    const sigmoid = (a: number) => 1 / (1 + Math.exp(-a));
    const ratio = (logits: readonly Value[]) =>
      ({ kind: 'mean', logits: logRatio(present(logits[0]), present(logits[1])) }) as const;
    const { output, gradients } = evaluate([0.3, -1.2], ratio);
    assertNear([output], [Math.log(sigmoid(0.3) / sigmoid(-1.2))], 1e-12);
    assertNear(gradients, [sigmoid(-0.3), -sigmoid(1.2)], 1e-12);
  });
});

describe('self-distillation', () => {
  const distil =
    (stop: boolean, reduce: 'sum' | 'mean' = 'sum') =>
    (logits: readonly Value[]) => {
      const each = concat([...logits], 'each');
      const options = { stopGradient: stop, reduce };
      return { kind: 'mean', logits: selfDistillation(each, meanLogit(each), options, 'distillation') } as const;
    };

  it('gives the worked example, with and without a gradient of the target', () => {
    const stopped = evaluate([0.5, -1], distil(true));
    assertNear([stopped.loss, ...stopped.gradients], [1.50625, 0.184636, -0.168882], 1e-6);
    const through = evaluate([0.5, -1], distil(false));
    assertNear([through.loss, ...through.gradients], [1.50625, 0.246169, -0.107349], 1e-6);
    assertNear([evaluate([0.5, -1], distil(true, 'mean')).loss], [0.753125], 1e-6);
  });
});

describe('calibrator', () => {
  const calibrate = ([later, earlier]: readonly Value[]) =>
    ({ kind: 'mean', logits: calibrator(present(later), present(earlier), 'calibrator') }) as const;

  it('asks for what a later event is more likely than an earlier one, and for nothing else', () => {
    const [p2, p1] = [1 / (1 + Math.exp(-0.5)), 1 / (1 + Math.exp(1))];
    const { loss, gradients } = evaluate([0.5, -1], calibrate);
    assertNear([loss, ...gradients], [p2 - p1, p2 * (1 - p2), -p1 * (1 - p1)], 1e-12);
    assertNear([evaluate([-1, 0.5], calibrate).loss, ...evaluate([-1, 0.5], calibrate).gradients], [0, 0, 0]);
    assertNear(evaluate([0.25, 0.25], calibrate).gradients, [0, 0]);
  });
});

describe('PWiseR', () => {
  const pairs = { nearMargin: 0.5, plainMargin: 1, surrogate: 'hinge', norm: 'mean' } as const;

  it('gives the worked example', () => {
    const classes: PairClass[] = ['event', 'near', 'plain', 'plain'];
    const { loss, slopes } = pairwiseLoss([1, 0.8, 0.3, -0.5], classes, [1, 1, 1, 1], pairs);
    assertNear([loss, ...slopes], [0.45, -1.5, 1, 0.5, 0]);
  });

  it('is 0 without conversions, and per term without its other side', () => {
    const none = pairwiseLoss([1, 2], ['near', 'plain'], [1, 1], pairs);
    assertNear([none.loss, ...none.slopes], [0, 0, 0]);
    const one = pairwiseLoss([1, 0.8], ['event', 'near'], [1, 1], pairs);
    assertNear([one.loss, ...one.slopes], [0.3, -1, 1]);
  });
});
