import assert from 'node:assert/strict';
import { Philox, philoxKey } from '../../src/base/philox.js';

const ONES = 0xffffffff;

function draw(counter: readonly [number, number, number, number], key: readonly [number, number]): number[] {
  const philox = new Philox(key);
  philox.draw(...counter);
  return [...philox.words];
}

/** The generator with exact 64-bit products. */
function reference(counter: readonly number[], key: readonly number[]): number[] {
  const mask = 0xffffffffn;
  let [c0 = 0n, c1 = 0n, c2 = 0n, c3 = 0n] = counter.map(BigInt);
  let [k0 = 0n, k1 = 0n] = key.map(BigInt);
  for (let round = 0; round < 10; round += 1) {
    const p0 = 0xd2511f53n * c0;
    const p1 = 0xcd9e8d57n * c2;
    [c0, c1, c2, c3] = [(p1 >> 32n) ^ c1 ^ k0, p1 & mask, (p0 >> 32n) ^ c3 ^ k1, p0 & mask];
    k0 = (k0 + 0x9e3779b9n) & mask;
    k1 = (k1 + 0xbb67ae85n) & mask;
  }
  return [c0, c1, c2, c3].map(Number);
}

describe('Philox4x32-10', () => {
  it('gives the published words', () => {
    assert.deepEqual(draw([0, 0, 0, 0], [0, 0]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
    assert.deepEqual(draw([ONES, ONES, ONES, ONES], [ONES, ONES]), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
    assert.deepEqual(
      draw([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]),
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    );
  });

  it('is exact for any words', () => {
    let words = [1, 2, 3, 4];
    for (let i = 0; i < 500; i += 1) {
      const [a = 0, b = 0, c = 0, d = 0] = words;
      const expected = reference(words, [d, a]);
      assert.deepEqual(draw([a, b, c, d], [d, a]), expected);
      words = expected;
    }
  });

  it('takes both halves of a seed', () => {
    assert.deepEqual(philoxKey(0x1234_0000_0005), [5, 0x1234]);
  });
});
