/** Request sums on disk: one line of JSON that names the columns, then their values, little-endian float64. */
import { readFile } from 'node:fs/promises';
import { PrerankError } from '../base/errors.js';
import { writeDurable } from '../base/files.js';
import { emptyRequestSums, type RequestSet, type RequestSums } from './request-sums.js';

interface Header {
  readonly requests: Readonly<Record<RequestSet, number>>;
  readonly columns: readonly string[];
}

/** The columns in the order of the file. */
function listed(sums: RequestSums): [name: string, values: Float64Array][] {
  return [...Object.entries(sums.cascade), ...Object.entries(sums.heldOut)];
}

export async function writeRequestSums(path: string, sums: RequestSums): Promise<void> {
  const columns = listed(sums);
  const header: Header = {
    requests: { cascade: sums.cascade.soft.length, heldOut: sums.heldOut.loss.length },
    columns: columns.map(([name]) => name),
  };
  await writeDurable(path, async (file) => {
    await file.writeFile(`${JSON.stringify(header)}\n`);
    for (const [, { buffer, byteOffset, byteLength }] of columns) {
      await file.writeFile(new Uint8Array(buffer, byteOffset, byteLength));
    }
  });
}

/** @throws PrerankError DATA_INVALID when the file is not what `writeRequestSums` writes. */
export async function readRequestSums(path: string): Promise<RequestSums> {
  const content = await readFile(path);
  const end = content.indexOf('\n') + 1;
  try {
    const { requests } = JSON.parse(content.toString('utf8', 0, end)) as Header;
    const sums = emptyRequestSums(requests);
    let from = end;
    for (const [, values] of listed(sums)) {
      const bytes = content.subarray(from, from + values.byteLength);
      if (bytes.length < values.byteLength) throw new Error('it ends too early');
      new Uint8Array(values.buffer).set(bytes);
      from += values.byteLength;
    }
    return sums;
  } catch (cause) {
    throw new PrerankError(
      'DATA_INVALID',
      `${path} holds no figures: ${String(cause)}. Delete it`,
      { file: path },
      { cause },
    );
  }
}
