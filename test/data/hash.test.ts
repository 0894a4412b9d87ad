import assert from 'node:assert/strict';
import { hashInteger, hashText } from './support/xxhash64.js';

/** The documented vectors of the hash that maps raw ids to buckets: the published figures of xxHash64, seed 0. */
describe('xxHash64 of raw ids', () => {
  it('gives the published figures', () => {
    assert.equal(hashText(''), 0xef46db3751d8e999n);
    assert.equal(hashText('a'), 0xd24ec4f1a98c6e5bn);
    assert.equal(hashText('abc'), 0x44bc2cf5ad770999n);
    assert.equal(hashText('Nobody inspects the spammish repetition'), 0xfbcea83c8a378bf1n);
  });

  it('hashes an integer as 8 bytes, little-endian', () => {
    assert.equal(hashInteger(0x6867666564636261n), hashText('abcdefgh'));
  });
});
