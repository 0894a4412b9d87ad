/** Generated columns as batches given from JavaScript, as a server would give them. */
import type { ModelProgram } from '../models/model.js';
import type { ArrayBatch, ColumnSpec } from '../runtime/native.js';
import type { Domain } from '../runtime/plan.js';

/** Rows [first, first + count) of a column of one chunk: values, and offsets from 0 for lists. */
function slice(column: ColumnSpec | undefined, first: number, count: number) {
  const chunk = column?.chunks[0];
  if (chunk === undefined) throw new RangeError(`no column ${column?.name}`);
  const { values, offsets } = chunk;
  if (offsets === undefined) return { values: values.slice(first, first + count), offsets: undefined };
  const begin = offsets[first] ?? 0;
  return {
    values: values.slice(begin, offsets[first + count]),
    offsets: Uint32Array.from(offsets.subarray(first, first + count + 1), (offset) => offset - begin),
  };
}

/**
 * A batch for a prediction program whose user side runs per request.
 * @param first of the rows of `columns` to take: request values from its first `requests` rows, row values from
 *   `requests · rowsPerRequest` of them.
 */
export function predictionBatch(
  program: ModelProgram,
  columns: readonly ColumnSpec[],
  shape: { readonly first: number; readonly requests: number; readonly rowsPerRequest: number },
): ArrayBatch {
  const { first, requests, rowsPerRequest } = shape;
  const rows = requests * rowsPerRequest;
  const named = new Map(columns.map((column) => [column.name, column]));
  const countOf = (domain: Domain): number => (domain === 'request' ? requests : rows);
  const dense = program.dense.map(({ domain, columns: names }) => {
    const count = countOf(domain);
    const matrix = new Float32Array(count * names.length);
    for (const [c, name] of names.entries()) {
      const { values } = slice(named.get(name), first, count);
      for (let row = 0; row < count; row += 1) matrix[row * names.length + c] = values[row] ?? 0;
    }
    return matrix;
  });
  const ids = program.ids.map(({ domain, column, weights }) => {
    const { values, offsets } = slice(named.get(column), first, countOf(domain));
    const given = weights === undefined ? undefined : slice(named.get(weights), first, countOf(domain)).values;
    return {
      ids: Uint32Array.from(values),
      ...(offsets === undefined ? {} : { offsets }),
      ...(given === undefined ? {} : { weights: Float32Array.from(given) }),
    };
  });
  const requestOfRow = Uint32Array.from({ length: rows }, (_, row) => Math.floor(row / rowsPerRequest));
  return { rows, dense, ids, requestOfRow };
}
