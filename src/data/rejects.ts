/** `rejects.jsonl`: the rows that were refused, and why. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { PrerankError } from '../base/errors.js';

export interface RejectedRow {
  readonly file: string;
  /** From 1, within the file for Parquet and Arrow, over all files for CSV and JSON. */
  readonly row: number;
  readonly reason: string;
}

const NAMED_ROWS = 5;

export class RejectLog {
  private readonly descriptor: number;
  private readonly first: RejectedRow[] = [];
  count = 0;

  constructor(
    readonly path: string,
    private readonly tolerated: number,
  ) {
    this.descriptor = openSync(path, 'w');
  }

  add(rejected: RejectedRow): void {
    this.count++;
    if (this.first.length < NAMED_ROWS) this.first.push(rejected);
    writeSync(this.descriptor, `${JSON.stringify(rejected)}\n`);
  }

  /** @throws PrerankError TOO_MANY_BAD_ROWS above `maxBad`, naming the first rows. */
  check(source: string): void {
    if (this.count <= this.tolerated) return;
    const rows = this.first.map(({ file, row, reason }) => `  ${file} row ${row}: ${reason}`);
    const [first] = this.first;
    throw new PrerankError(
      'TOO_MANY_BAD_ROWS',
      `${source}: ${this.count} bad row${this.count === 1 ? '' : 's'} so far, data.maxBad tolerates ${this.tolerated}. The first:\n${rows.join('\n')}\nAll are in ${this.path}. Mend the log, or raise data.maxBad`,
      { file: first?.file ?? source, row: first?.row ?? 0 },
    );
  }

  close(): void {
    closeSync(this.descriptor);
  }
}
