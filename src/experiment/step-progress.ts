/** Progress of an experiment on stderr: a bar on a terminal, elsewhere a line a step. */
import type { ProgressStream } from '../train/progress.js';
import { formatDuration } from '../train/progress.js';
import type { StepProgress } from './experiment.js';

const BAR_CELLS = 20;
const BAR_INTERVAL_MS = 100;

export class StepDisplay {
  readonly #begin: number;
  #shown = 0;
  #drawnAt = Number.NEGATIVE_INFINITY;
  #barOpen = false;

  constructor(
    private readonly stream: ProgressStream,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#begin = now();
  }

  update({ title, number, total, share }: StepProgress): void {
    const now = this.now();
    const elapsed = (now - this.#begin) / 1000;
    if (this.stream.isTTY) {
      if (now - this.#drawnAt < BAR_INTERVAL_MS && share > 0 && share < 1) return;
      this.#drawnAt = now;
      const done = (number - 1 + share) / total;
      const filled = Math.round(BAR_CELLS * done);
      const bar = `[${'='.repeat(filled)}${' '.repeat(BAR_CELLS - filled)}]`;
      const text = `${bar} ${number}/${total} ${formatDuration(elapsed)}  ${title} ${Math.round(100 * share)} %`;
      this.stream.write(`\r\u001b[K${text.slice(0, Math.max(20, (this.stream.columns ?? 80) - 1))}`);
      this.#barOpen = true;
    } else if (number > this.#shown) {
      this.#shown = number;
      this.stream.write(`${number}/${total}  ${formatDuration(elapsed)}  ${title}\n`);
    }
  }

  /** Ends the bar's line. */
  close(): void {
    if (this.#barOpen) this.stream.write('\n');
    this.#barOpen = false;
  }
}
