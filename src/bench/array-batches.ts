/** Generated columns as batches given from JavaScript, as a server would give them. */
import type { ModelProgram } from '../models/model.js';
import type { ArrayBatch, ColumnSpec, TaskSourceSpec } from '../runtime/native.js';
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

/** A training batch of some rows of the columns. @param sources of the program's tasks: a mask of zeros and ones at most. */
export function trainingBatch(
  program: ModelProgram,
  sources: readonly TaskSourceSpec[],
  columns: readonly ColumnSpec[],
  rows: Uint32Array,
): ArrayBatch {
  const named = new Map(columns.map((column) => [column.name, column]));
  const valuesOf = (name: string): Float32Array => {
    const values = named.get(name)?.chunks[0]?.values;
    if (values === undefined) throw new RangeError(`no column ${name}`);
    return Float32Array.from(rows, (row) => values[row] ?? 0);
  };
  return {
    rows: rows.length,
    dense: program.dense.map(({ columns: names }) => {
      const matrix = new Float32Array(rows.length * names.length);
      for (const [c, name] of names.entries()) {
        for (const [i, value] of valuesOf(name).entries()) matrix[i * names.length + c] = value;
      }
      return matrix;
    }),
    ids: program.ids.map(({ column }) => idsOf(named.get(column), rows)),
    taskMask: sources.reduce((mask, { traffic }, task) => {
      const trains = traffic === undefined ? undefined : valuesOf(traffic);
      return mask.map((bits, i) => bits | ((trains?.[i] ?? 1) === 0 ? 0 : 1 << task));
    }, new Uint32Array(rows.length)),
    targets: sources.map(({ target }) => valuesOf(target)),
  };
}

function idsOf(column: ColumnSpec | undefined, rows: Uint32Array): NonNullable<ArrayBatch['ids']>[number] {
  const chunk = column?.chunks[0];
  if (chunk === undefined) throw new RangeError(`no column ${column?.name}`);
  const { values, offsets: lists } = chunk;
  if (lists === undefined) return { ids: Uint32Array.from(rows, (row) => values[row] ?? 0) };
  const offsets = new Uint32Array(rows.length + 1);
  for (const [i, row] of rows.entries()) {
    offsets[i + 1] = (offsets[i] ?? 0) + (lists[row + 1] ?? 0) - (lists[row] ?? 0);
  }
  const ids = new Uint32Array(offsets[rows.length] ?? 0);
  for (const [i, row] of rows.entries()) ids.set(values.subarray(lists[row], lists[row + 1]), offsets[i]);
  return { ids, offsets };
}
