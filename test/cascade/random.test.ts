import assert from 'node:assert/strict';
import { Draws, integer, normalQuantile, PURPOSE, unit } from '../../src/cascade/random.js';
import { topRows } from '../../src/cascade/select.js';
import { bruteTop } from './support.js';

/** The normal distribution function by its Taylor series. */
function normalCdf(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; n < 200; n += 1) {
    term *= (-x * x * (2 * n - 1)) / (2 * n * (2 * n + 1));
    sum += term;
  }
  return 0.5 + sum / Math.sqrt(2 * Math.PI);
}

describe('random numbers of the cascade', () => {
  it('invert the normal distribution in body and tails', () => {
    for (const x of [-4, -2.5, -1.98, -1.96, -1, -0.3, 0, 0.7, 1.97, 1.99, 3, 4]) {
      assert.ok(Math.abs(normalQuantile(normalCdf(x)) - x) < 1e-7 * (1 + Math.abs(x)), `${x}`);
    }
  });

  it('keep words inside their ranges', () => {
    assert.ok(unit(0) > 0);
    assert.ok(unit(0xffffffff) < 1);
    assert.equal(integer(0xffffffff, 7), 6);
    assert.equal(integer(0, 7), 0);
  });

  it('are standard normal and differ by every part of their key', () => {
    const draws = new Draws(5);
    const out = new Float64Array(6);
    let sum = 0;
    let squares = 0;
    for (let ad = 0; ad < 5000; ad += 1) {
      draws.normals(PURPOSE.finalOracle, 3, ad, out);
      for (const value of out) {
        sum += value;
        squares += value * value;
      }
    }
    const count = 30_000;
    assert.ok(Math.abs(sum / count) < 4 / Math.sqrt(count));
    assert.ok(Math.abs(squares / count - 1) < 4 * Math.sqrt(2 / count));
    const keys: [number, number, number][] = [
      [1, 2, 0],
      [2, 1, 0],
      [1, 3, 0],
      [1, 2, 1],
    ];
    const words = keys.map(([request, ad, block]) => [...draws.words(PURPOSE.feedback, request, ad, block)].join());
    words.push([...draws.words(PURPOSE.logged, 1, 2, 0)].join());
    words.push([...new Draws(6).words(PURPOSE.feedback, 1, 2, 0)].join());
    assert.equal(new Set(words).size, words.length);
  });
});

describe('top rows', () => {
  it('are those of a sort, with ties, NaN and short requests', () => {
    const draws = new Draws(1);
    for (let round = 0; round < 60; round += 1) {
      const sizes = Array.from({ length: 5 }, (_, i) => integer(draws.words(PURPOSE.user, round, i, 0)[0] ?? 0, 40));
      const offsets = Uint32Array.of(0, ...sizes.map((_, i) => sizes.slice(0, i + 1).reduce((a, b) => a + b, 0)));
      const values = Float32Array.from({ length: offsets[5] ?? 0 }, (_, row) => {
        const word = draws.words(PURPOSE.ad, round, row, 0)[0] ?? 0;
        return word % 17 === 0 ? Number.NEGATIVE_INFINITY : integer(word, round % 2 === 0 ? 6 : 1e6);
      });
      const k = 1 + (round % 12);
      const { rows, offsets: picked } = topRows(values, offsets, k);
      for (let i = 0; i < sizes.length; i += 1) {
        const all = Array.from({ length: sizes[i] ?? 0 }, (_, place) => (offsets[i] ?? 0) + place);
        const expected = bruteTop(values, all, k).sort((a, b) => a - b);
        assert.deepEqual([...rows.subarray(picked[i], picked[i + 1])], expected);
      }
    }
  });

  it('put NaN last', () => {
    const { rows } = topRows(Float32Array.of(Number.NaN, -1, Number.NaN, 2), Uint32Array.of(0, 4), 3);
    assert.deepEqual([...rows], [0, 1, 3]);
  });
});
