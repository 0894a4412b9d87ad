/** Progress of a long job on stderr: a bar on a terminal, elsewhere a line every few seconds. */

export interface ProgressUpdate {
  /** What is counted; default `step`. */
  readonly unit?: 'step' | 'row';
  readonly done: number;
  readonly total: number;
  /** Steps per second now, for the remaining time; 0 = not known yet. */
  readonly stepsPerSecond: number;
  readonly samplesPerSecond: number;
  /** Short figures such as losses and NE. */
  readonly figures: readonly (readonly [name: string, value: number | null])[];
}

export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const LINE_INTERVAL_MS = 5000;
const BAR_INTERVAL_MS = 100;
const BAR_CELLS = 20;

/** 3725 → `1:02:05`, 65 → `1:05`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) {
    return '-';
  }
  const whole = Math.round(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const shown = parts[0] === 0 ? parts.slice(1) : parts;
  return shown.map((part, i) => (i === 0 ? String(part) : String(part).padStart(2, '0'))).join(':');
}

/** 1234567 → `1.23M`. */
export function formatCount(value: number): string {
  for (const [unit, scale] of [
    ['G', 1e9],
    ['M', 1e6],
    ['k', 1e3],
  ] as const) {
    if (value >= scale) {
      return `${(value / scale).toPrecision(3)}${unit}`;
    }
  }
  return value.toFixed(0);
}

/** One progress text without the bar. */
export function formatProgress(update: ProgressUpdate): string {
  const { done, total, stepsPerSecond, samplesPerSecond, figures } = update;
  const left = stepsPerSecond > 0 ? formatDuration((total - done) / stepsPerSecond) : '-';
  const shown = figures.flatMap(([name, value]) => (value === null ? [] : [`${name} ${value.toFixed(4)}`]));
  const head = update.unit === 'row' ? `${formatCount(done)}/${formatCount(total)} rows` : `step ${done}/${total}`;
  return [head, `${formatCount(samplesPerSecond)} rows/s`, ...shown, `left ${left}`].join('  ');
}

export class Progress {
  readonly #stream: ProgressStream;
  readonly #now: () => number;
  #shownAt = Number.NEGATIVE_INFINITY;
  #barOpen = false;

  constructor(stream: ProgressStream, now: () => number = () => performance.now()) {
    this.#stream = stream;
    this.#now = now;
  }

  update(update: ProgressUpdate): void {
    const interval = this.#stream.isTTY ? BAR_INTERVAL_MS : LINE_INTERVAL_MS;
    const now = this.#now();
    if (now - this.#shownAt < interval && update.done < update.total) {
      return;
    }
    this.#shownAt = now;
    if (this.#stream.isTTY) {
      this.#drawBar(update);
    } else {
      this.#stream.write(`${formatProgress(update)}\n`);
    }
  }

  /** Writes a line of its own, above the bar. */
  line(text: string): void {
    this.close();
    this.#stream.write(`${text}\n`);
  }

  /** Ends the bar's line. */
  close(): void {
    if (this.#barOpen) {
      this.#stream.write('\n');
      this.#barOpen = false;
    }
  }

  #drawBar(update: ProgressUpdate): void {
    const filled = Math.round((BAR_CELLS * update.done) / Math.max(1, update.total));
    const bar = `[${'='.repeat(filled)}${' '.repeat(BAR_CELLS - filled)}]`;
    const text = `${bar} ${formatProgress(update)}`;
    this.#stream.write(`\r\u001b[K${text.slice(0, Math.max(20, (this.#stream.columns ?? 80) - 1))}`);
    this.#barOpen = true;
  }
}
