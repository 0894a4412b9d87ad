import assert from 'node:assert/strict';
import type { ColumnSpec } from '../../src/runtime/native.js';
import { permutedColumn } from '../../src/train/permute-column.js';

/** The rows of a column, chunk by chunk. */
function rowsOf({ chunks }: ColumnSpec): number[][] {
  return chunks.flatMap(({ rows, values, offsets }) =>
    Array.from({ length: rows }, (_, row) =>
      offsets === undefined ? [values[row] ?? Number.NaN] : [...values.subarray(offsets[row], offsets[row + 1])],
    ),
  );
}

describe('permuted columns', () => {
  const order = Uint32Array.from([4, 2, 0, 5, 1, 3]);

  it('move scalars across chunks and keep the chunks', () => {
    const column: ColumnSpec = {
      name: 'x',
      type: 'float32',
      chunks: [
        { rows: 2, values: Float32Array.from([0, 1]) },
        { rows: 1, values: Float32Array.from([2]) },
        { rows: 3, values: Float32Array.from([3, 4, 5]) },
      ],
    };
    const moved = permutedColumn(column, order);
    assert.deepEqual(
      moved.chunks.map(({ rows }) => rows),
      [2, 1, 3],
    );
    assert.deepEqual(rowsOf(moved).flat(), [...order]);
    assert.equal(moved.name, 'x');
  });

  it('move lists whole', () => {
    const column: ColumnSpec = {
      name: 'bag',
      type: 'list<uint32>',
      chunks: [
        { rows: 4, values: Uint32Array.from([9, 10, 11, 30]), offsets: Int32Array.from([0, 0, 1, 3, 4]) },
        { rows: 2, values: Uint32Array.from([0, 50, 51, 52]), offsets: Int32Array.from([1, 1, 4]) },
      ],
    };
    const rows = rowsOf(column);
    assert.deepEqual(rows, [[], [9], [10, 11], [30], [], [50, 51, 52]]);
    assert.deepEqual(
      rowsOf(permutedColumn(column, order)),
      Array.from(order, (source) => rows[source]),
    );
  });
});
