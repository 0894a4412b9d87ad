import assert from 'node:assert/strict';
import { generateColumns } from '../../src/bench/generated-data.js';
import { permutation, Random, Zipf } from '../../src/bench/random.js';
import { smallStep } from './fixture.js';

describe('bench: generated data', () => {
  it('repeats numbers for a seed and changes them with it', () => {
    const words = (seed: number): number[] => {
      const random = new Random(seed);
      return Array.from({ length: 100 }, () => random.word());
    };
    assert.deepEqual(words(7), words(7));
    assert.notDeepEqual(words(7), words(8));
    assert.ok(words(7).every((word) => Number.isInteger(word) && word >= 0 && word < 2 ** 32));
  });

  it('permutes: every number once', () => {
    for (const count of [1, 2, 10, 97, 1000]) {
      const place = permutation(count, new Random(count));
      const places = new Set(Array.from({ length: count }, (_, rank) => place(rank)));
      assert.equal(places.size, count);
      assert.ok([...places].every((id) => id >= 0 && id < count));
    }
  });

  it('draws ranks as often as the power law says', () => {
    const zipf = new Zipf(20, 1.05);
    const random = new Random(3);
    const draws = 200_000;
    const seen = new Float64Array(20);
    for (let i = 0; i < draws; i += 1) {
      const rank = zipf.draw(random);
      seen[rank] = (seen[rank] ?? 0) + 1;
    }
    const weights = Array.from({ length: 20 }, (_, rank) => (rank + 1) ** -1.05);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    weights.forEach((weight, rank) => {
      const expected = (draws * weight) / total;
      const deviation = Math.abs((seen[rank] ?? 0) - expected) / Math.sqrt(expected);
      assert.ok(deviation < 5, `rank ${rank}: ${seen[rank]} draws, expected about ${expected}`);
    });
  });

  it('generates the same columns for a seed', () => {
    const step = smallStep();
    assert.deepEqual(generateColumns(step, 100, 5), generateColumns(step, 100, 5));
    assert.notDeepEqual(generateColumns(step, 100, 5), generateColumns(step, 100, 6));
  });

  it('draws as many ids as pooling factors say', () => {
    const step = smallStep();
    const columns = generateColumns({ ...step, poolingFactors: { user_m0: 7 } }, 30, 1);
    const offsets = columns.find(({ name }) => name === 'feature.user_m0')?.chunks[0]?.offsets ?? [];
    assert.deepEqual(
      [...offsets],
      Array.from({ length: 31 }, (_, row) => 7 * row),
    );
  });

  it('keeps ids below their tables and lists in their bounds', () => {
    const step = smallStep();
    const columns = generateColumns(step, 500, 1);
    const lists = columns.filter(({ type }) => type === 'list<uint32>');
    assert.equal(lists.length, 4);
    for (const { chunks } of lists) {
      const [chunk] = chunks;
      const offsets = [...(chunk?.offsets ?? [])];
      const lengths = offsets.slice(1).map((end, row) => end - (offsets[row] ?? 0));
      assert.equal(Math.min(...lengths), step.listLength.min);
      assert.equal(Math.max(...lengths), step.listLength.max);
      assert.equal(chunk?.values.length, offsets.at(-1));
    }
    for (const { type, chunks } of columns.filter(
      ({ name, type }) => name.startsWith('feature.') && type !== 'float32',
    )) {
      assert.ok(
        [...(chunks[0]?.values ?? [])].every((id) => id < 50),
        type,
      );
    }
  });
});
