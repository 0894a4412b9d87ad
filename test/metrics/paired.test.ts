/** Paired comparison of two arms over the same requests. */
import assert from 'node:assert/strict';
import { Philox, philoxKey } from '../../src/base/philox.js';
import {
  normalizedEntropy,
  type PairedDifference,
  pairedDifferences,
  type RequestMetric,
  requestNe,
} from '../../src/metrics/index.js';

const REQUESTS = 500;
const OPTIONS = { resamples: 1000, seed: 11 };

/** [requests] values in [0, 1), other ones for every stream. */
function uniform(stream: number): Float64Array {
  const random = new Philox(philoxKey(3));
  return Float64Array.from({ length: REQUESTS }, (_, i) => {
    random.draw(i, stream, 0, 0);
    return (random.words[0] ?? 0) / 2 ** 32;
  });
}

const ones = new Float64Array(REQUESTS).fill(1);

function mean(values: Float64Array): RequestMetric {
  return { numerator: values, denominator: ones };
}

function only(differences: readonly PairedDifference[]): PairedDifference {
  assert.equal(differences.length, 1);
  return differences[0] as PairedDifference;
}

describe('paired differences', () => {
  it('of an arm with itself are exactly 0', () => {
    const arm = (): Record<string, RequestMetric> => ({
      mean: mean(uniform(1)),
      ratio: { numerator: uniform(2), denominator: uniform(3) },
      ne: requestNe({ loss: uniform(4), weight: ones, target: uniform(5) }),
    });
    for (const { metric, a, b, ...rest } of pairedDifferences(arm(), arm(), OPTIONS)) {
      assert.ok(a !== null && a > 0, metric);
      assert.equal(a, b);
      assert.deepEqual(rest, {
        difference: 0,
        low: 0,
        high: 0,
        relative: 0,
        relativeLow: 0,
        relativeHigh: 0,
        p: 1,
      });
    }
  });

  it('lose what both arms have in common', () => {
    const base = uniform(1);
    const noise = uniform(2).map((value) => 0.01 * value);
    const found = only(pairedDifferences({ m: mean(base) }, { m: mean(base.map((v, i) => v + noise[i]!)) }, OPTIONS));
    const expected = noise.reduce((sum, value) => sum + value, 0) / REQUESTS;
    assert.ok(Math.abs(found.difference! - expected) < 1e-12);
    // ±1.96 standard errors of the mean of 500 uniform values below 0.01; of the arms alone they would be 0.025.
    const halfWidth = (1.96 * 0.01) / Math.sqrt(12 * REQUESTS);
    assert.ok(Math.abs(found.high! - found.difference! - halfWidth) < 0.15 * halfWidth);
    assert.ok(Math.abs(found.difference! - found.low! - halfWidth) < 0.15 * halfWidth);
    assert.equal(found.relative, found.b! / found.a! - 1);
    assert.ok(found.relativeLow! < found.relative! && found.relative! < found.relativeHigh!);
    assert.equal(found.p, 2 / 1001);
  });

  it('are the plain bootstrap of a function of sums', () => {
    const arm = (stream: number) => ({ loss: uniform(stream), weight: ones, target: uniform(stream + 1) });
    const [a, b] = [arm(1), arm(7)];
    const found = only(pairedDifferences({ ne: requestNe(a) }, { ne: requestNe(b) }, OPTIONS));
    const differences = referenceDraws(OPTIONS.resamples, OPTIONS.seed).map((requests) => {
      const ne = ({ loss, target }: ReturnType<typeof arm>): number => {
        const [l, y] = [loss, target].map((values) => requests.reduce((sum, r) => sum + values[r]!, 0) / REQUESTS);
        return l! / (-y! * Math.log(y!) - (1 - y!) * Math.log(1 - y!));
      };
      return ne(b) - ne(a);
    });
    const sorted = differences.toSorted((x, y) => x - y);
    assert.ok(Math.abs(found.low! - sorted[24]!) < 1e-9);
    assert.ok(Math.abs(found.high! - sorted[974]!) < 1e-9);
    const below = differences.filter((value) => value <= 0).length;
    assert.equal(found.p, Math.min(1, (2 * (Math.min(below, OPTIONS.resamples - below) + 1)) / 1001));
  });

  it('cover a difference that is not there about as often as they say', () => {
    let significant = 0;
    for (let trial = 0; trial < 100; trial += 1) {
      const a = { m: mean(uniform(100 + 2 * trial)) };
      const b = { m: mean(uniform(101 + 2 * trial)) };
      const found = only(pairedDifferences(a, b, { resamples: 200, seed: trial }));
      assert.ok(found.p! >= 0.05 || found.low! > 0 || found.high! < 0, `p ${found.p} of trial ${trial}`);
      significant += found.p! < 0.05 ? 1 : 0;
    }
    // Binomial(100, .05): outside of these with probability .004.
    assert.ok(significant >= 1 && significant <= 12, `${significant} of 100`);
  });

  it('give the normalised entropy of the rows behind the sums', () => {
    const labels = [1, 0, 0, 0, 1];
    const predictions = [0.6, 0.2, 0.1, 0.3, 0.5];
    const loss = labels.map((y, i) => -Math.log(y === 1 ? predictions[i]! : 1 - predictions[i]!));
    const perRequest = (values: number[]) =>
      Float64Array.of(values[0]! + values[1]!, values[2]! + values[3]!, values[4]!);
    const ne = requestNe({
      loss: perRequest(loss),
      weight: Float64Array.of(2, 2, 1),
      target: perRequest(labels),
    });
    const { a } = only(pairedDifferences({ ne }, { ne }, OPTIONS));
    assert.ok(Math.abs(a! - normalizedEntropy(predictions, labels).value!) < 1e-12);
    assert.ok(Math.abs(a! - 0.561402) < 1e-6);
  });

  it('are null where a metric is undefined', () => {
    const none = { numerator: new Float64Array(REQUESTS), denominator: new Float64Array(REQUESTS) };
    const { metric, b, ...rest } = only(pairedDifferences({ m: none }, { m: mean(ones) }, OPTIONS));
    assert.equal(metric, 'm');
    assert.equal(b, 1);
    assert.deepEqual(new Set(Object.values(rest)), new Set([null]));
    const zero = { m: mean(new Float64Array(REQUESTS)) };
    const fromZero = only(pairedDifferences(zero, { m: mean(ones) }, OPTIONS));
    assert.equal(fromZero.difference, 1);
    assert.deepEqual([fromZero.relative, fromZero.relativeLow, fromZero.relativeHigh], [null, null, null]);
  });

  it('refuse arms that are not paired', () => {
    const m = mean(ones);
    assert.throws(() => pairedDifferences({ m }, { other: m }, OPTIONS), /only one arm has m, other/);
    const short = { numerator: new Float64Array(1), denominator: new Float64Array(1) };
    assert.throws(() => pairedDifferences({ m }, { m: short }, OPTIONS), /same requests/);
    assert.throws(() => pairedDifferences({ m }, { m }, { resamples: 0, seed: 1 }), { code: 'METRIC_INPUT' });
  });
});

/** The requests that each resample draws, one by one. */
function referenceDraws(resamples: number, seed: number): number[][] {
  const random = new Philox(philoxKey(seed));
  return Array.from({ length: resamples }, (_, resample) =>
    Array.from({ length: REQUESTS }, (_, i) => {
      random.draw(Math.floor(i / 4), resample, 0x626f6f74, 0);
      return Math.floor(((random.words[i % 4] ?? 0) / 2 ** 32) * REQUESTS);
    }),
  );
}
