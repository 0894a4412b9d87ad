/** Encoding a log on stderr: phases as lines, the encoding itself as a bar. */
import type { EncodingProgress } from '../data/encode-log.js';
import type { Progress } from './progress.js';

export class EncodingDisplay {
  readonly #progress: Progress;
  #phase = '';
  #since = 0;

  constructor(progress: Progress) {
    this.#progress = progress;
  }

  update(split: string, { phase, rowsRead, rows }: EncodingProgress): void {
    if (`${split} ${phase}` !== this.#phase) {
      this.#phase = `${split} ${phase}`;
      this.#since = performance.now();
      this.#progress.line(`${split}: ${phase}`);
    }
    if (phase !== 'encoding') return;
    const seconds = (performance.now() - this.#since) / 1000;
    const rate = seconds > 0 ? rowsRead / seconds : 0;
    this.#progress.update({
      unit: 'row',
      done: rowsRead,
      total: rows,
      stepsPerSecond: rate,
      samplesPerSecond: rate,
      figures: [],
    });
  }
}
