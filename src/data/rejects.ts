/** `rejects.jsonl`: the rows that were refused, and why. */
import { PrerankError } from '../base/errors.js';
import { writeTextDurable } from '../base/files.js';
import type { IngestResult } from '../runtime/native.js';

export type RejectedRow = IngestResult['rejects'][number];

const NAMED_ROWS = 5;

export async function writeRejects(path: string, rejects: readonly RejectedRow[]): Promise<void> {
  await writeTextDurable(path, rejects.map((row) => `${JSON.stringify(row)}\n`).join(''));
}

/** TOO_MANY_BAD_ROWS naming the first rows. `path`: where all that were found are listed. */
export function tooManyRejects(
  rejects: readonly RejectedRow[],
  count: number,
  log: { readonly source: string; readonly tolerated: number; readonly path: string },
): PrerankError {
  const rows = rejects.slice(0, NAMED_ROWS).map(({ file, row, reason }) => `  ${file} row ${row}: ${reason}`);
  const [first] = rejects;
  return new PrerankError(
    'TOO_MANY_BAD_ROWS',
    `${log.source}: ${count} bad row${count === 1 ? '' : 's'} so far, data.maxBad tolerates ${log.tolerated}. The first:\n${rows.join('\n')}\nAll are in ${log.path}. Mend the log, or raise data.maxBad`,
    { file: first?.file ?? log.source, row: first?.row ?? 0, column: first?.column },
  );
}
