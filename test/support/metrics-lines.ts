/** The lines of a run's metrics.jsonl. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

export async function readLines<Line>(run: string): Promise<Line[]> {
  const text = await readFile(join(run, 'metrics.jsonl'), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

/** What may not differ between two runs: everything but times and rates. */
export function timeless(lines: readonly object[]): unknown[] {
  return lines.map((line) => ({ ...line, seconds: 0, samplesPerSecond: 0, waitShare: 0 }));
}
